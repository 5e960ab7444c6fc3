"""People, addresses and devices for tests."""

from collections.abc import Iterable
from pathlib import Path

from app.directory import Contact, Device, Directory, Entry, Person, Snapshot
from schemas.delivery import Channel


def somebody(
    person: str,
    *,
    email: str = "",
    sms: str | Iterable[str] = "",
    push: str = "",
    flags: dict[str, str] | None = None,
) -> list[Entry]:
    """Return a person with verified addresses. flags: when they are told, by channel."""
    numbers = [sms] if isinstance(sms, str) else list(sms)
    given = ((Channel.EMAIL, [email]), (Channel.SMS, numbers), (Channel.PUSH, [push]))
    contacts = [
        Contact(person=person, channel=channel, address=address, verified=True)
        for channel, addresses in given
        for address in addresses
        if address
    ]
    return [Person(person=person, **(flags or {})), *contacts]


def list_in(place: Path | str, *entries: Entry) -> None:
    """Put ``entries`` into the directory at a URL, or of the installation in a folder."""
    url = place if isinstance(place, str) else f"sqlite:///{place / 'changeover.db'}"
    directory = Directory(url)
    directory.put(*entries)
    directory.close()


def snapshot(*entries: Entry) -> Snapshot:
    """Return a directory of ``entries``, which lies nowhere."""
    directory = Directory("sqlite://")
    directory.put(*entries)
    listed = directory.snapshot()
    directory.close()
    return listed


def home_of(*people: str) -> Device:
    """Return the device ``home``, of ``people``."""
    return Device(device="home", owners=people)


ANN_AT_HOME = (*somebody("ann", sms="+15550100"), home_of("ann"))
