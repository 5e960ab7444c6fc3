"""A code that comes back shows whose an address is, on SQLite and on PostgreSQL."""

import pytest

from app.directory import Contact, Directory, DirectoryError, Person
from app.directory.codes import DAY_MS, MOST, PAUSE_MS, TRIES, VALID_MS
from schemas.delivery import Channel
from tests.directory.test_directory import barred
from tests.people import home_of

SMS = Channel.SMS


class Clock:
    now_ms = 1_000_000

    def __call__(self) -> float:
        return self.now_ms / 1_000


def test_a_code_that_comes_back_verifies_once(url: str) -> None:
    clock = Clock()
    directory = Directory(url, clock)
    contact = Contact(person="ann", channel=SMS, address="+15550100")
    directory.put(Person(person="ann"), contact, home_of("ann"))
    assert barred(directory.snapshot()) == {"sms": "not verified"}

    first = directory.challenge(contact)
    clock.now_ms += PAUSE_MS
    code = directory.challenge(contact)
    for wrong in (first, "000000", ""):
        if wrong != code:
            with pytest.raises(DirectoryError, match="not the code"):
                directory.confirm(contact, wrong)
    directory.confirm(contact, f" {code}\n")

    assert barred(directory.snapshot()) == {}
    with pytest.raises(DirectoryError, match="no code was sent"):
        directory.confirm(contact, code)
    assert all(code not in each.after for each in directory.changes(10))
    directory.close()


def test_a_code_is_neither_guessed_nor_kept(url: str) -> None:
    clock = Clock()
    directory = Directory(url, clock)
    contact = Contact(person="ann", channel=SMS, address="+15550100")
    directory.put(Person(person="ann"), contact)
    code = directory.challenge(contact)
    for _ in range(TRIES):
        with pytest.raises(DirectoryError, match="not the code"):
            directory.confirm(contact, "wrong")
    with pytest.raises(DirectoryError, match="too many wrong codes"):
        directory.confirm(contact, code)

    clock.now_ms += PAUSE_MS
    code = directory.challenge(contact)
    clock.now_ms += VALID_MS
    with pytest.raises(DirectoryError, match="too old"):
        directory.confirm(contact, code)
    with pytest.raises(DirectoryError, match="has no sms address"):
        directory.challenge(Contact(person="ann", channel=SMS, address="+15550199"))
    directory.close()


def test_an_address_gets_a_code_a_minute_and_five_a_day_whoever_asks(url: str) -> None:
    clock = Clock()
    directory = Directory(url, clock)
    contacts = [Contact(person=who, channel=SMS, address="+15550100") for who in ("ann", "bob")]
    directory.put(Person(person="ann"), Person(person="bob"), *contacts)
    for number in range(MOST):
        directory.challenge(contacts[number % 2])
        clock.now_ms += PAUSE_MS - 1
        with pytest.raises(DirectoryError, match=r"less than a minute ago|within a day"):
            directory.challenge(contacts[0])
        clock.now_ms += 1

    with pytest.raises(DirectoryError, match="5 codes were sent there within a day"):
        directory.challenge(contacts[1])
    clock.now_ms += DAY_MS
    directory.challenge(contacts[1])
    directory.close()
