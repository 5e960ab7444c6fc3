"""One change of the directory: what was there, what is there now, and who did it."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.directory.entries import Contact, DirectoryError, Entry
from app.directory.models import ChangeRow, ContactRow, SuppressionRow
from app.directory.stores import STORES, Known
from schemas.delivery import Channel


class Changing:
    """One transaction: what is changed in it, when and by whom."""

    def __init__(self, session: Session, author: str, now_ms: int) -> None:
        """Change what ``session`` holds, in the name of ``author``."""
        self.session, self.now_ms = session, now_ms
        self._author = author
        self._known = Known(session)

    def load(self, kinds: Iterable[type[Entry]]) -> list[Sequence[Any]]:
        """Return all rows of ``kinds``; as long as they are held, none is looked up again."""
        return [self.session.scalars(select(STORES[kind].row)).all() for kind in kinds]

    def put(self, entry: Entry) -> bool:
        """Add ``entry``, or put it in the place of the one with its key.

        Returns:
            Whether it was not there already just so.

        Raises:
            DirectoryError: it cannot be.
        """
        entry.check()
        store = STORES[type(entry)]
        row = self.session.get(store.row, store.ident(entry))
        before = None if row is None else store.read(row)
        row = store.row() if row is None else row
        with self.session.no_autoflush:
            store.write(row, entry, self._known, self.now_ms)
        after = store.read(row)
        if before == after:
            return False
        if before is None:
            self.session.add(row)
            self._known.add(entry)
        self.note(entry.what, entry.key, _json(before), _json(after))
        return True

    def remove(self, kind: type[Entry], key: Any) -> None:
        """Remove the entry of ``kind`` with that primary key.

        Raises:
            DirectoryError: there is none.
        """
        store = STORES[kind]
        row = self.session.get(store.row, key)
        if row is None:
            raise DirectoryError(f"there is no {kind.what} {_words(key)}")
        entry = store.read(row)
        self.session.delete(row)
        self.note(kind.what, entry.key, _json(entry), "")

    def contact(self, contact: Contact) -> ContactRow:
        """Return the row of ``contact``.

        Raises:
            DirectoryError: there is none.
        """
        row = self.session.get(ContactRow, STORES[Contact].ident(contact))
        if row is None:
            raise DirectoryError(
                f"{contact.person} has no {contact.channel} address {contact.address}"
            )
        return row

    def suppression(self, channel: Channel, address: str) -> SuppressionRow | None:
        """Return why nothing is sent there, if that is so."""
        return self.session.get(SuppressionRow, (channel.value, address))

    def note(self, what: str, key: str, before: str, after: str) -> None:
        """Write down that ``what`` was changed; before, after: it as JSON, or empty."""
        self.session.add(
            ChangeRow(
                at_ms=self.now_ms,
                author=self._author,
                what=what,
                key=key,
                before=before,
                after=after,
            )
        )

    def noted(self, what: str, end: str) -> list[int]:
        """Return when, in ms, ``what`` was written down of anything whose key ends so."""
        ends = ChangeRow.key.endswith(end, autoescape=True)
        return list(
            self.session.scalars(select(ChangeRow.at_ms).where(ChangeRow.what == what, ends))
        )


def _json(entry: Entry | None) -> str:
    return "" if entry is None else msgspec.json.encode(entry).decode()


def _words(key: Any) -> str:
    return key if isinstance(key, str) else " ".join(key)
