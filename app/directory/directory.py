"""The directory: who is told, by what, of which device."""

import getpass
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session, sessionmaker

from app import database
from app.directory import reading
from app.directory.changing import Changing
from app.directory.codes import confirmed, new_code, too_many
from app.directory.entries import Contact, DirectoryError, Entry
from app.directory.migrate import upgrade
from app.directory.models import ChangeRow, ContactRow, Revision, SuppressionRow
from app.directory.snapshot import Snapshot
from app.directory.stores import STORES
from schemas.delivery import Channel
from schemas.record import instant

E = TypeVar("E", bound=Entry)
CODE = "code"  # what is written down when one is made
FEW = 20  # entries for which the rows are looked up one by one


class Change(msgspec.Struct, frozen=True):
    """What was changed: an entry of the kind ``what``. before, after: it as JSON, or empty."""

    at: str
    author: str
    what: str
    key: str
    before: str
    after: str


class Suppression(msgspec.Struct, frozen=True):
    """An address to which nothing is sent, since when, and why."""

    channel: Channel
    address: str
    reason: str
    since: str


class Directory:
    """The people and devices in one database."""

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        """Open the database at ``url``, an SQLAlchemy URL; its tables are brought up to date.

        Raises:
            DatabaseError: it was made by a later version.
        """
        self._engine = database.engine(url)
        self._clock = clock
        try:
            upgrade(self._engine)
        except BaseException:
            self.close()
            raise
        self._sessions = sessionmaker(self._engine)

    def close(self) -> None:
        """Give up the database's connections."""
        self._engine.dispose()

    def all(self, kind: type[E]) -> list[E]:
        """Return all entries of ``kind``, by their keys."""
        store = STORES[kind]
        with self._sessions() as session:
            rows = session.scalars(select(store.row))
            return sorted((store.read(row) for row in rows), key=lambda each: each.key)

    def find(self, kind: type[E], key: Any) -> E | None:
        """Return the entry of ``kind`` with that primary key, if there is one."""
        store = STORES[kind]
        with self._sessions() as session:
            row = session.get(store.row, key)
            return None if row is None else store.read(row)

    def put(
        self,
        *entries: Entry,
        author: str = "",
        each: Callable[[], None] | None = None,
        keep: bool = True,
    ) -> int:
        """Add ``entries``, or put them in the place of those with their keys; all, or none.

        author: who does it; by default who runs this program. each: called after each entry.
        keep: if not, all is checked and nothing is changed.

        Returns:
            How many were not there already just so.

        Raises:
            DirectoryError: one of them cannot be.
        """
        changed = 0
        with self._changing(author) as changing:
            kept = [] if len(entries) <= FEW else changing.load({type(one) for one in entries})
            for entry in entries:
                changed += changing.put(entry)
                if each is not None:
                    each()
            del kept  # until here the session knows them
            if not keep:
                changing.session.rollback()
        return changed

    def remove(self, kind: type[Entry], key: Any, author: str = "") -> None:
        """Remove the entry of ``kind`` with that primary key, and what is part of it.

        Raises:
            DirectoryError: there is none.
        """
        with self._changing(author) as changing:
            changing.remove(kind, key)

    def challenge(self, contact: Contact, author: str = "") -> str:
        """Return a new code that shows, once it is given back, whose address it is.

        Raises:
            DirectoryError: there is no such address, or there were too many codes for it.
        """
        with self._changing(author) as changing:
            row, place = changing.contact(contact), f" {contact.channel} {contact.address}"
            refused = too_many(changing.noted(CODE, place), changing.now_ms)
            if refused:
                raise DirectoryError(f"{contact.person}'s {contact.channel} address: {refused}")
            changing.note(CODE, contact.key, "", "")
            return new_code(row, changing.now_ms)

    def confirm(self, contact: Contact, code: str, author: str = "") -> None:
        """Take note that ``code`` came back: the address is the person's, and wants to be told.

        Raises:
            DirectoryError: it is another code, or too old, or was tried too often.
        """
        with self._changing(author) as changing:
            row = changing.contact(contact)
            refused = confirmed(row, code, changing.now_ms)  # a try in vain is counted
            if not refused:
                suppression = changing.suppression(contact.channel, contact.address)
                if suppression is not None:
                    changing.session.delete(suppression)
                changing.note("confirmed", contact.key, "", "")
        if refused:
            raise DirectoryError(f"{contact.person}'s {contact.channel} address: {refused}")

    def suppress(
        self, channel: Channel, address: str, reason: str, at_ms: int, author: str = ""
    ) -> bool:
        """Send nothing there any more. Return whether that is new.

        at_ms: since when; an address that was verified later is left as it is.
        """
        with self._sessions() as session:
            if _stands(session, channel, address, at_ms):
                return False
        with self._changing(author) as changing:
            if _stands(changing.session, channel, address, at_ms):  # now nobody else writes
                return False
            reason = reason.strip() or "no reason was given"
            row = SuppressionRow(channel=channel, address=address, reason=reason, at_ms=at_ms)
            changing.session.add(row)
            changing.note("suppressed", f"{channel} {address}", "", reason)
        return True

    def release(self, channel: Channel, address: str, author: str = "") -> None:
        """Send there again: whoever does this knows that it works, as if it were verified now.

        Raises:
            DirectoryError: it is not suppressed.
        """
        with self._changing(author) as changing:
            row = changing.suppression(channel, address)
            if row is None:
                raise DirectoryError(f"{channel} {address} is not suppressed")
            changing.session.delete(row)
            changing.session.execute(
                update(ContactRow)
                .where(*_at(channel, address), ContactRow.verified_ms.is_not(None))
                .values(verified_ms=changing.now_ms)
            )
            changing.note("released", f"{channel} {address}", row.reason, "")

    def suppressions(self) -> list[Suppression]:
        """Return the addresses to which nothing is sent."""
        order = (SuppressionRow.channel, SuppressionRow.address)
        with self._sessions() as session:
            rows = session.scalars(select(SuppressionRow).order_by(*order))
            return [
                Suppression(Channel(row.channel), row.address, row.reason, _time(row.at_ms))
                for row in rows
            ]

    def changes(self, most: int) -> list[Change]:
        """Return the newest changes, at most so many, oldest first."""
        newest = select(ChangeRow).order_by(ChangeRow.id.desc()).limit(most)
        with self._sessions() as session:
            rows = list(session.scalars(newest))
        return [
            Change(_time(row.at_ms), row.author, row.what, row.key, row.before, row.after)
            for row in reversed(rows)
        ]

    def revision(self) -> int:
        """Return how often the directory was changed."""
        with self._sessions() as session:
            return reading.revision(session)

    def snapshot(self) -> Snapshot:
        """Return all of it as it is now."""
        with self._sessions() as session:
            return reading.snapshot(session)

    @contextmanager
    def _changing(self, author: str) -> Iterator[Changing]:
        now_ms = round(self._clock() * 1_000)
        with self._sessions.begin() as session:
            # First of all: from here on the others wait, and read what this changes.
            session.execute(update(Revision).values(number=Revision.number + 1))
            yield Changing(session, author or _user(), now_ms)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return f"uid {os.getuid()}"


def _stands(session: Session, channel: Channel, address: str, at_ms: int) -> bool:
    """Return whether a suppression since ``at_ms`` is known, or was overtaken."""
    if session.get(SuppressionRow, (channel.value, address)) is not None:
        return True
    later = select(ContactRow).where(*_at(channel, address), ContactRow.verified_ms > at_ms)
    return session.scalars(later.limit(1)).first() is not None


def _at(channel: Channel, address: str) -> tuple[ColumnElement[bool], ...]:
    return ContactRow.channel == channel.value, ContactRow.address == address


def _time(at_ms: int) -> str:
    return f"{instant(at_ms):%Y-%m-%dT%H:%M:%SZ}"
