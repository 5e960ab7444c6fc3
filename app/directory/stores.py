"""How each kind of entry lies in the database."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.directory.entries import (
    OFF,
    Contact,
    Device,
    DirectoryError,
    Entry,
    Group,
    Held,
    Person,
    Silence,
)
from app.directory.models import (
    ContactRow,
    DeviceRole,
    DeviceRow,
    GroupRole,
    GroupRow,
    Membership,
    PersonRow,
    SilenceRow,
)
from schemas.delivery import Channel
from schemas.record import instant, microseconds
from tables.routing import Role

E = TypeVar("E", bound=Entry)


class Known:
    """The ids there are, for entries that name others."""

    def __init__(self, session: Session) -> None:
        """Look them up in ``session`` when first asked for."""
        self._session = session
        self._ids: dict[str, set[str]] = {}
        self._folded: dict[tuple[str, str, str], str] | None = None

    def check(self, what: str, ids: Iterable[str]) -> None:
        """Return if there are all of ``ids``.

        Raises:
            DirectoryError: one is not there; the sentence says how to add it.
        """
        for each in ids:
            if each not in self._of(what):
                add = {"person": "people", "device": "devices", "group": "groups"}[what]
                raise DirectoryError(f"there is no {what} {each}; `changeover {add} add {each}`")

    def check_twin(self, contact: Contact) -> None:
        """Return if ``contact`` is not there but for capital letters, which no mailbox minds.

        Raises:
            DirectoryError: it is.
        """
        if self._folded is None:
            columns = (ContactRow.person_id, ContactRow.channel, ContactRow.address)
            rows = self._session.execute(select(*columns).where(ContactRow.channel == "email"))
            self._folded = {_folded(*row): row[2] for row in rows}
        twin = self._folded.get(_folded(contact.person, contact.channel, contact.address))
        if twin not in {None, contact.address}:
            raise DirectoryError(f"{contact.person} has the {contact.channel} address {twin}")

    def add(self, entry: Entry) -> None:
        """Take note that ``entry`` is there now."""
        if self._folded is not None and isinstance(entry, Contact):
            self._folded[_folded(entry.person, entry.channel, entry.address)] = entry.address
        if entry.what in self._ids:
            self._ids[entry.what].add(entry.key)

    def _of(self, what: str) -> set[str]:
        if what not in self._ids:
            column = {"person": PersonRow.id, "device": DeviceRow.name, "group": GroupRow.name}
            self._ids[what] = set(self._session.scalars(select(column[what])))
        return self._ids[what]


class Store(Protocol[E]):
    """Entries of one kind as rows of one class."""

    row: type[Any]

    def ident(self, entry: E) -> Any:
        """Return the primary key of the row of ``entry``."""

    def read(self, row: Any) -> E:
        """Return what ``row`` says."""

    def write(self, row: Any, entry: E, known: Known, now_ms: int) -> None:
        """Let ``row`` say what ``entry`` does."""


class People:
    """``person``."""

    row = PersonRow

    def ident(self, entry: Person) -> str:
        """Return the person's id."""
        return entry.person

    def read(self, row: PersonRow) -> Person:
        """Return what ``row`` says."""
        return Person(
            person=row.id,
            name=row.name,
            language=row.language,
            zone=row.zone,
            quiet=row.quiet,
            email=row.email,
            sms=row.sms,
            push=row.push,
        )

    def write(self, row: PersonRow, entry: Person, known: Known, now_ms: int) -> None:
        """Let ``row`` say what ``entry`` does."""
        row.id, row.name, row.language = entry.person, entry.name or entry.person, entry.language
        row.zone, row.quiet = entry.zone, "" if entry.quiet == OFF else entry.quiet
        row.email, row.sms, row.push = entry.email, entry.sms, entry.push


class Contacts:
    """``contact``."""

    row = ContactRow

    def ident(self, entry: Contact) -> tuple[str, str, str]:
        """Return person, channel and address."""
        return entry.person, entry.channel.value, entry.address

    def read(self, row: ContactRow) -> Contact:
        """Return what ``row`` says."""
        return Contact(
            person=row.person_id,
            channel=Channel(row.channel),
            address=row.address,
            verified=row.verified_ms is not None,
        )

    def write(self, row: ContactRow, entry: Contact, known: Known, now_ms: int) -> None:
        """Let ``row`` say what ``entry`` does; what was verified stays so."""
        known.check("person", [entry.person])
        if row.person_id is None and entry.channel is Channel.EMAIL:
            known.check_twin(entry)
        row.person_id, row.channel, row.address = self.ident(entry)
        if entry.verified and row.verified_ms is None:
            row.verified_ms = now_ms


class Devices:
    """``device``, with its roles and groups."""

    row = DeviceRow

    def ident(self, entry: Device) -> str:
        """Return the device's name."""
        return entry.device

    def read(self, row: DeviceRow) -> Device:
        """Return what ``row`` says."""
        groups = tuple(sorted(each.group_name for each in row.groups))
        return Device(device=row.name, groups=groups, **_roles(row.roles))

    def write(self, row: DeviceRow, entry: Device, known: Known, now_ms: int) -> None:
        """Let ``row`` say what ``entry`` does."""
        row.name = entry.device
        row.roles = [DeviceRole(**each) for each in _rows(entry, known)]
        known.check("group", entry.groups)
        row.groups = [Membership(group_name=each) for each in dict.fromkeys(entry.groups)]


class Groups:
    """``device_group``, with its roles."""

    row = GroupRow

    def ident(self, entry: Group) -> str:
        """Return the group's name."""
        return entry.group

    def read(self, row: GroupRow) -> Group:
        """Return what ``row`` says."""
        return Group(group=row.name, **_roles(row.roles))

    def write(self, row: GroupRow, entry: Group, known: Known, now_ms: int) -> None:
        """Let ``row`` say what ``entry`` does."""
        row.name = entry.group
        row.roles = [GroupRole(**each) for each in _rows(entry, known)]


class Silences:
    """``silence``."""

    row = SilenceRow

    def ident(self, entry: Silence) -> str:
        """Return the silence's id."""
        return entry.silence

    def read(self, row: SilenceRow) -> Silence:
        """Return what ``row`` says."""
        return Silence(
            silence=row.id,
            device=row.device_name or "",
            group=row.group_name or "",
            all=row.device_name is None and row.group_name is None,
            rule=row.rule,
            until=instant(row.until_ms),
            author=row.author,
            reason=row.reason,
        )

    def write(self, row: SilenceRow, entry: Silence, known: Known, now_ms: int) -> None:
        """Let ``row`` say what ``entry`` does."""
        known.check("device", [entry.device] if entry.device else [])
        known.check("group", [entry.group] if entry.group else [])
        row.id, row.rule, row.author, row.reason = (
            entry.silence,
            entry.rule,
            entry.author,
            entry.reason,
        )
        row.device_name, row.group_name = entry.device or None, entry.group or None
        row.until_ms = microseconds(entry.until) // 1_000


STORES: dict[type[Entry], Store[Any]] = {
    Person: People(),
    Contact: Contacts(),
    Device: Devices(),
    Group: Groups(),
    Silence: Silences(),
}


def _folded(person: str, channel: str, address: str) -> tuple[str, str, str]:
    return person, channel, address.casefold()


def _rows(entry: Held, known: Known) -> list[dict[str, Any]]:
    rows = []
    for role, people in entry.roles():
        known.check("person", people)
        rows += [
            {"person_id": person, "role": role.value, "position": position}
            for position, person in enumerate(people)
        ]
    return rows


def _roles(rows: Sequence[DeviceRole | GroupRole]) -> dict[str, tuple[str, ...]]:
    ordered = sorted(rows, key=lambda each: (each.position, each.person_id))
    return {
        f"{role.value}s": tuple(each.person_id for each in ordered if each.role == role)
        for role in Role
    }
