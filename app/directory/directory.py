"""The directory: who is told, by what, of which device."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from app import database
from app.directory.models import Base, ContactRow, Device, Owner, Person, Revision
from app.directory.snapshot import Contact, Snapshot
from schemas.delivery import Channel

PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
LONGEST = 200  # characters of a device's name, as in records
# As browsers check one: HTML, the rule of a valid email address.
MAILBOX = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+"
HOST = r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*"
ADDRESSES = {
    Channel.EMAIL: (re.compile(rf"{MAILBOX}@{HOST}"), "an email address, as in ann@example.com"),
    Channel.SMS: (re.compile(r"\+[1-9]\d{6,14}"), "an E.164 number, as in +2348012345678"),
    Channel.PUSH: (re.compile(r"\S+"), "a registration without spaces"),
}


class DirectoryError(Exception):
    """What was asked for cannot be; the sentence says why. Nothing was changed."""


class Directory:
    """The people and devices in one database."""

    def __init__(self, url: str) -> None:
        """Open the database at ``url``, an SQLAlchemy URL; tables that are not there are made."""
        self._engine = database.engine(url)
        Base.metadata.create_all(self._engine)
        self._sessions = sessionmaker(self._engine)

    def close(self) -> None:
        """Give up the database's connections."""
        self._engine.dispose()

    def add_person(self, person: str, name: str = "") -> None:
        """Add somebody who is told of nothing yet."""
        if not PERSON.fullmatch(person):
            raise DirectoryError(
                f"{person!r} cannot be a person's id: letters, digits, dot, dash and underscore"
            )
        with self._changing() as session:
            if session.get(Person, person) is not None:
                raise DirectoryError(f"there is a person {person} already")
            session.add(Person(id=person, name=name or person))

    def remove_person(self, person: str) -> None:
        """Remove somebody, with every address."""
        with self._changing() as session:
            session.delete(_person(session, person))

    def add_contact(self, person: str, channel: Channel, address: str) -> None:
        """Add an address at which ``person`` is told."""
        check_address(channel, address)
        with self._changing() as session:
            others = [each for each in _person(session, person).contacts if each.channel == channel]
            enabled = all(each.enabled for each in others)  # the flag is the channel's
            session.add(
                ContactRow(person_id=person, channel=channel, address=address, enabled=enabled)
            )
            try:
                session.flush()
            except IntegrityError:
                raise DirectoryError(f"{person} has that {channel} address already") from None

    def set_flag(self, person: str, channel: Channel, *, enabled: bool) -> None:
        """Turn one channel of ``person`` on or off."""
        with self._changing() as session:
            of_channel = [
                each for each in _person(session, person).contacts if each.channel == channel
            ]
            if not of_channel:
                raise DirectoryError(f"{person} has no {channel} address")
            for each in of_channel:
                each.enabled = enabled

    def add_device(self, device: str, owners: Sequence[str] = ()) -> None:
        """Add a device of ``owners``."""
        if not 1 <= len(device) <= LONGEST or device != device.strip() or not device.isprintable():
            raise DirectoryError(f"{device!r} cannot be a device's name: 1 to {LONGEST} characters")
        with self._changing() as session:
            if session.get(Device, device) is not None:
                raise DirectoryError(f"there is a device {device} already")
            people = [_person(session, owner) for owner in owners]
            session.add(Device(name=device, owners=people))

    def remove_device(self, device: str) -> None:
        """Remove a device; its owners stay."""
        with self._changing() as session:
            session.delete(_device(session, device))

    def set_owner(self, device: str, person: str, *, owns: bool) -> None:
        """Say that ``person`` owns ``device``, or does no longer."""
        with self._changing() as session:
            owned, owner = _device(session, device), _person(session, person)
            if owns and owner not in owned.owners:
                owned.owners.append(owner)
            elif not owns and owner in owned.owners:
                owned.owners.remove(owner)

    def people(self) -> list[tuple[str, str, tuple[Contact, ...]]]:
        """Return everybody: id, name, and addresses."""
        with self._sessions() as session:
            everybody = session.scalars(select(Person).order_by(Person.id))
            return [(each.id, each.name, _contacts(each)) for each in everybody]

    def devices(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return every device and its owners."""
        with self._sessions() as session:
            every = session.scalars(select(Device).order_by(Device.name))
            return [(each.name, tuple(owner.id for owner in each.owners)) for each in every]

    def revision(self) -> int:
        """Return how often the directory was changed."""
        with self._sessions() as session:
            row = session.get(Revision, 1)
            return 0 if row is None else row.number

    def snapshot(self) -> Snapshot:
        """Return all of it as it is now."""
        revision = self.revision()  # before the rest: what changes meanwhile is read again
        reached = select(
            Device.name,
            ContactRow.person_id,
            ContactRow.channel,
            ContactRow.address,
            ContactRow.enabled,
        )
        joined = reached.outerjoin(Owner, Owner.device_name == Device.name).outerjoin(
            ContactRow, ContactRow.person_id == Owner.person_id
        )
        order = (Device.name, ContactRow.person_id, ContactRow.channel, ContactRow.address)
        owned: dict[str, list[Contact]] = {}
        with self._sessions() as session:
            for device, person, channel, address, enabled in session.execute(
                joined.order_by(*order)
            ):
                contacts = owned.setdefault(device, [])
                if person is not None:
                    contacts.append(Contact(person, Channel(channel), address, enabled))
        return Snapshot(revision, {device: tuple(each) for device, each in owned.items()})

    @contextmanager
    def _changing(self) -> Iterator[Session]:
        with self._sessions.begin() as session:
            row = session.get(Revision, 1)
            if row is None:
                session.add(Revision(id=1, number=1))
            else:
                row.number = Revision.number + 1  # in the database: two writers count as two
            yield session


def check_address(channel: Channel, address: str) -> None:
    """Return if ``address`` can be one of ``channel``.

    Raises:
        DirectoryError: it cannot; the sentence shows one that could.
    """
    form, words = ADDRESSES[channel]
    if not form.fullmatch(address) or not address.isprintable():
        raise DirectoryError(f"{channel}: {address!r} is not {words}")


def _person(session: Session, person: str) -> Person:
    found = session.get(Person, person)
    if found is None:
        raise DirectoryError(f"there is no person {person}; `changeover people add {person}`")
    return found


def _device(session: Session, device: str) -> Device:
    found = session.get(Device, device)
    if found is None:
        raise DirectoryError(f"there is no device {device}; `changeover devices add {device}`")
    return found


def _contacts(person: Person) -> tuple[Contact, ...]:
    return tuple(
        Contact(person.id, Channel(each.channel), each.address, each.enabled)
        for each in person.contacts
    )
