"""People, addresses, devices, groups and silences, on SQLite and on PostgreSQL."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from app.directory import (
    Contact,
    Device,
    Directory,
    DirectoryError,
    Entry,
    Group,
    Person,
    Silence,
    Snapshot,
)
from schemas.decision import Severity
from schemas.delivery import Channel, Quiet
from tables.routing import Recipient, Role, When
from tests.people import home_of, somebody
from tests.tables.outboxes import ms

EMAIL, SMS, PUSH = Channel.EMAIL, Channel.SMS, Channel.PUSH
CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ANN = somebody("ann", email="ann@example.com", sms="+15550100")


def reached(
    snapshot: Snapshot, severity: Severity = WARNING, device: str = "home"
) -> list[tuple[str, str, str]]:
    return [
        (each.to.person, each.to.channel.value, each.when.value)
        for each in snapshot.reach(device, severity, tuple(Channel))
    ]


def barred(snapshot: Snapshot) -> dict[str, str]:
    considered = snapshot.consider("home", WARNING, (EMAIL, SMS))
    return {each.reach.to.channel.value: each.why_not for each in considered if each.why_not}


def test_a_device_reaches_the_verified_addresses_of_its_people(directory: Directory) -> None:
    new = Contact(person="ann", channel=PUSH, address="token")
    directory.put(*ANN, *somebody("bob", sms="+15550101"), new, home_of("bob", "ann"))

    assert reached(directory.snapshot()) == [
        ("ann", "email", "always"),
        ("ann", "sms", "always"),
        ("bob", "sms", "always"),
    ]
    assert reached(directory.snapshot(), device="elsewhere") == []


def test_flags_are_of_a_channel_and_a_severity(directory: Directory) -> None:
    flags = {"sms": "critical=always,warning=unanswered", "email": "never"}
    directory.put(*somebody("ann", email="a@b", sms="+15550100", flags=flags), home_of("ann"))
    snapshot = directory.snapshot()

    assert reached(snapshot, CRITICAL) == [("ann", "sms", "always")]
    assert reached(snapshot, WARNING) == [("ann", "sms", "unanswered")]
    assert reached(snapshot, INFO) == []
    assert barred(snapshot) == {"email": "never by email when it is warning"}


def test_a_role_on_a_group_is_one_on_its_devices_and_their_own_come_first(
    directory: Directory,
) -> None:
    directory.put(
        *(each for name in ("ann", "bob", "eve") for each in somebody(name, push=name)),
        Group(group="street", owners=("ann", "bob"), operators=("eve",)),
        Group(group="town", owners=("eve",)),
        Device(device="home", operators=("ann",), groups=("town", "street")),
    )
    reach = directory.snapshot().reach("home", WARNING, [PUSH])

    assert {(each.to.person, each.role, each.position) for each in reach} == {
        ("ann", Role.OPERATOR, 0),
        ("bob", Role.OWNER, 1),
        ("eve", Role.OWNER, 0),
    }


def test_what_is_put_again_replaces_and_who_goes_is_told_no_more(directory: Directory) -> None:
    directory.put(*ANN, *somebody("bob", push="token"), home_of("ann", "bob"))
    directory.put(Device(device="home", owners=("bob",), watchers=("ann",)))

    assert directory.all(Device) == [Device(device="home", owners=("bob",), watchers=("ann",))]
    directory.remove(Person, "ann")
    assert directory.all(Device) == [home_of("bob")]
    assert directory.all(Contact) == [
        Contact(person="bob", channel=PUSH, address="token", verified=True)
    ]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (Contact(person="ann", channel=EMAIL, address="ann"), "'ann' is not an email address"),
        (Contact(person="ann", channel=EMAIL, address="a b@c"), "is not an email address"),
        (Contact(person="ann", channel=SMS, address="0555"), r"as in \+2348012345678"),
        (Contact(person="ann", channel=SMS, address="+0555000000"), "is not an E.164 number"),
        (Contact(person="ann", channel=PUSH, address="a b"), "without spaces"),
        (Contact(person="zoe", channel=PUSH, address="a"), "no person zoe; `changeover people add"),
        (Person(person="a b"), "letters, digits, dot"),
        (Person(person="ann", zone="Mars/Base"), "'Mars/Base' is no time zone"),
        (Person(person="ann", language="english"), "ISO 639-1"),
        (Person(person="ann", quiet="22-7"), "as 22:00-07:00"),
        (Person(person="ann", quiet="07:00-07:00"), "never end"),
        (Person(person="ann", sms="sometimes"), "none of always, unanswered, never"),
        (Person(person="ann", sms="huge=always"), "critical=always,warning=unanswered"),
        (Device(device=" home"), "cannot be a device's name"),
        (Device(device="home", groups=("north",)), "no group north; `changeover groups add"),
        (Device(device="home", owners=("ann",), watchers=("ann",)), "more than one role"),
        (Group(group="north", operators=("zoe",)), "there is no person zoe"),
        (Silence(silence="s", until=NOW, author="ann", device="nowhere"), "no device nowhere"),
        (Silence(silence="s", until=NOW, author="ann", device="a", group="b"), "not of both"),
        (Silence(silence="s", until=NOW.replace(tzinfo=None), author="ann"), "has no zone"),
        (Silence(silence="s", until=NOW, author="ann"), "or say all=true"),
        (Silence(silence="s", until=NOW, author="ann", device="a", all=True), "and name none"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_changed(
    directory: Directory, entry: Entry, reason: str
) -> None:
    directory.put(*ANN)
    with pytest.raises(DirectoryError, match=reason):
        directory.put(Person(person="bob"), entry)

    assert [each.person for each in directory.all(Person)] == ["ann"]
    assert directory.revision() == 1


def test_every_change_says_what_was_and_who_did_it(directory: Directory) -> None:
    directory.put(Person(person="ann"), author="root")
    changed = directory.put(Person(person="ann"), Person(person="bob"), author="eve")
    directory.remove(Person, "ann", author="eve")
    changes = directory.changes(10)

    assert changed == 1
    assert [(each.author, each.key, bool(each.before), bool(each.after)) for each in changes] == [
        ("root", "ann", False, True),
        ("eve", "bob", False, True),
        ("eve", "ann", True, False),
    ]
    assert directory.changes(1) == changes[-1:]


def test_who_wants_no_more_is_told_nothing_whoever_adds_the_address(directory: Directory) -> None:
    directory.put(*ANN, home_of("ann"))
    later_ms = 4 * 10**12
    assert directory.suppress(SMS, "+15550100", "opted out", later_ms)
    assert not directory.suppress(SMS, "+15550100", "again", later_ms)
    directory.put(*somebody("bob", sms="+15550100"), home_of("bob"))
    snapshot = directory.snapshot()

    assert barred(snapshot) == {"sms": "suppressed: opted out"}
    to = Recipient("ann", SMS, "+15550100")
    assert snapshot.terms(to, "home", "lost", NOW, 120).barred == "opted out"
    directory.release(SMS, "+15550100")
    assert barred(directory.snapshot()) == {}
    with pytest.raises(DirectoryError, match="is not suppressed"):
        directory.release(SMS, "+15550100")


def test_an_address_that_was_verified_since_is_not_suppressed(directory: Directory) -> None:
    directory.put(*ANN, home_of("ann"))

    assert not directory.suppress(SMS, "+15550100", "gone", 1_000)
    assert barred(directory.snapshot()) == {}


def test_what_was_released_stays_so_whatever_is_said_of_earlier(directory: Directory) -> None:
    directory.put(*ANN, home_of("ann"))
    assert directory.suppress(SMS, "+15550100", "opted out", round(time.time() * 1_000))
    ann = Recipient("ann", SMS, "+15550100")
    before = directory.snapshot().terms(ann, "home", "grid_lost", NOW, 0).verified
    directory.release(SMS, "+15550100")
    after = directory.snapshot().terms(ann, "home", "grid_lost", NOW, 0).verified

    assert before is not None
    assert after is not None
    assert after >= before
    assert not directory.suppress(SMS, "+15550100", "opted out", ms(after) - 1)
    assert directory.suppress(SMS, "+15550100", " ", ms(after))
    assert barred(directory.snapshot()) != {}


def test_of_many_who_say_it_at_once_one_is_the_first(directory: Directory) -> None:
    with ThreadPoolExecutor(8) as pool:
        firsts = pool.map(lambda _: directory.suppress(SMS, "+15550100", "gone", 1_000), range(8))

    assert sorted(firsts) == [False] * 7 + [True]


def test_giving_back_a_code_releases(directory: Directory) -> None:
    directory.put(*ANN, home_of("ann"))
    directory.suppress(SMS, "+15550100", "opted out", 4 * 10**12)
    contact = Contact(person="ann", channel=SMS, address="+15550100")
    directory.confirm(contact, directory.challenge(contact))

    assert barred(directory.snapshot()) == {}


def test_silences_are_of_a_device_a_group_or_all_and_end(directory: Directory) -> None:
    hour = timedelta(hours=1)
    directory.put(
        Group(group="north"),
        Device(device="home", groups=("north",)),
        Device(device="shop"),
        Silence(silence="s1", device="home", rule="lost", until=NOW + hour, author="ann"),
        Silence(silence="s2", group="north", until=NOW + 2 * hour, author="bob"),
        Silence(silence="s3", rule="low", all=True, until=NOW + 3 * hour, author="eve"),
    )
    snapshot = directory.snapshot()

    def silenced(device: str, rule: str, after: timedelta = timedelta()) -> str:
        found = snapshot.silenced(device, rule, NOW + after)
        return found.id if found else ""

    assert silenced("home", "lost") == "s2"  # it lasts longer
    assert silenced("home", "low") == "s3"
    assert silenced("shop", "low") == "s3"
    assert silenced("shop", "lost") == ""
    assert silenced("home", "lost", 2 * hour) == ""


def test_a_person_is_told_in_a_language_a_zone_and_not_at_night(directory: Directory) -> None:
    directory.put(
        Person(person="ann", language="fr", zone="Africa/Lagos", quiet="22:00-07:00"),
        Person(person="bob"),
    )
    snapshot = directory.snapshot()
    to = Recipient("ann", SMS, "+15550100")

    assert snapshot.voice("ann") == ("fr", "Africa/Lagos")
    assert snapshot.voice("+15550199") == snapshot.voice("bob") == ("en", "UTC")
    terms = snapshot.terms(to, "home", "lost", NOW, 120)
    assert terms.quiet == Quiet(from_="22:00", to="07:00", tz="Africa/Lagos")


def test_a_snapshot_of_many_devices_takes_few_queries(directory: Directory) -> None:
    devices = [Device(device=f"home-{number}", owners=("ann",)) for number in range(50)]
    directory.put(*ANN, *devices)
    asked: list[str] = []
    event.listen(directory._engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    snapshot = directory.snapshot()

    assert len(snapshot.holders) == 50
    assert len(asked) < 10


def test_two_who_change_it_at_once_both_count(url: str) -> None:
    directories = [Directory(url), Directory(url)]

    def change(number: int) -> None:
        for turn in range(10):
            directories[number].put(Person(person=f"person-{number}-{turn}"))

    threads = [threading.Thread(target=change, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert directories[0].revision() == 20
    assert len(directories[1].all(Person)) == 20
    for each in directories:
        each.close()


def test_flags_that_are_the_same_for_all_are_one_word() -> None:
    assert Person(person="ann", sms="unanswered").flags(SMS) == dict.fromkeys(
        Severity, When.UNANSWERED
    )


def test_capital_letters_make_no_other_mailbox(directory: Directory) -> None:
    directory.put(
        Person(person="ann"),
        Person(person="bob"),
        Contact(person="ann", channel=EMAIL, address="Ann@Example.com"),
    )
    twin = Contact(person="ann", channel=EMAIL, address="ann@example.com")
    with pytest.raises(DirectoryError, match=r"ann has the email address Ann@Example\.com"):
        directory.put(twin)
    with pytest.raises(DirectoryError, match="ann has the email address B@x"):
        directory.put(
            *(Contact(person="ann", channel=EMAIL, address=each) for each in ("B@x", "b@x"))
        )
    directory.put(Contact(person="bob", channel=EMAIL, address="ann@example.com"))
    directory.put(Contact(person="ann", channel=EMAIL, address="Ann@Example.com", verified=True))

    assert len(directory.all(Contact)) == 2
