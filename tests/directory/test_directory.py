"""People, flags, devices and owners on a real SQLite file; and the snapshot that follows them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from app.directory import Directory, DirectoryError, Follower, Snapshot
from schemas.delivery import Channel

EMAIL, SMS, PUSH = Channel.EMAIL, Channel.SMS, Channel.PUSH


@pytest.fixture(name="directory")
def _directory(tmp_path: Path) -> Iterator[Directory]:
    directory = Directory(f"sqlite:///{tmp_path / 'people.db'}")
    directory.add_person("ann", "Ann")
    directory.add_contact("ann", EMAIL, "ann@example.com")
    directory.add_contact("ann", SMS, "+15550100")
    directory.add_person("bob")
    directory.add_device("home", ["bob", "ann"])
    yield directory
    directory.close()


def reached(snapshot: Snapshot, device: str) -> list[tuple[str, str, bool]]:
    return [(each.person, each.channel, each.enabled) for each in snapshot.recipients(device)]


def test_a_device_reaches_the_addresses_of_its_owners(directory: Directory) -> None:
    directory.add_contact("bob", PUSH, "token")

    assert reached(directory.snapshot(), "home") == [
        ("ann", "email", True),
        ("ann", "sms", True),
        ("bob", "push", True),
    ]
    assert reached(directory.snapshot(), "elsewhere") == []


def test_a_flag_is_of_the_channel_also_for_addresses_to_come(directory: Directory) -> None:
    directory.set_flag("ann", SMS, enabled=False)
    directory.add_contact("ann", SMS, "+15550101")

    assert reached(directory.snapshot(), "home") == [
        ("ann", "email", True),
        ("ann", "sms", False),
        ("ann", "sms", False),
    ]


def test_who_goes_is_no_longer_told(directory: Directory) -> None:
    directory.remove_person("ann")

    assert reached(directory.snapshot(), "home") == []
    assert directory.devices() == [("home", ("bob",))]


def test_owners_come_and_go(directory: Directory) -> None:
    directory.set_owner("home", "ann", owns=False)
    directory.set_owner("home", "ann", owns=False)
    directory.set_owner("home", "bob", owns=True)

    assert directory.devices() == [("home", ("bob",))]


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        (EMAIL, "ann"),
        (EMAIL, "a b@c"),
        (EMAIL, "ann@["),
        (SMS, "0555"),
        (SMS, "+0555000000"),
        (PUSH, "a b"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(
    directory: Directory, channel: Channel, address: str
) -> None:
    with pytest.raises(DirectoryError, match="is not"):
        directory.add_contact("ann", channel, address)


def test_what_is_there_already_or_not_at_all_is_told(directory: Directory) -> None:
    with pytest.raises(DirectoryError, match="there is a person ann already"):
        directory.add_person("ann")
    with pytest.raises(DirectoryError, match="has that sms address already"):
        directory.add_contact("ann", SMS, "+15550100")
    with pytest.raises(DirectoryError, match="no person zoe; `changeover people add zoe`"):
        directory.add_device("shop", ["zoe"])
    with pytest.raises(DirectoryError, match="bob has no push address"):
        directory.set_flag("bob", PUSH, enabled=True)

    assert directory.devices() == [("home", ("ann", "bob"))]


def test_a_follower_sees_a_change_after_a_second_and_not_before(directory: Directory) -> None:
    now = 10.0
    follower = Follower(directory, lambda: now)
    before = follower.snapshot()
    directory.add_device("shop")

    assert follower.snapshot() is before
    now += 1
    assert "shop" in follower.snapshot().owned


def test_a_snapshot_of_many_devices_is_read_at_once(directory: Directory) -> None:
    for number in range(50):
        directory.add_device(f"home-{number}", ["ann"])
    asked: list[str] = []
    event.listen(directory._engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    snapshot = directory.snapshot()

    assert len(snapshot.owned) == 51
    assert len(asked) == 2


def test_a_follower_keeps_what_it_knows_while_the_database_is_down(directory: Directory) -> None:
    class Down:
        def revision(self) -> int:
            raise OperationalError("select", {}, OSError("gone"))

        def snapshot(self) -> Snapshot:
            return directory.snapshot()

    now = 0.0
    follower = Follower(Down(), lambda: now)
    known = follower.snapshot()
    now += 5

    assert follower.snapshot() is known
