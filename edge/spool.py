"""What is stamped and not yet shipped, with where the logs had come to: one SQLite file.

Records, the positions they came from and every state that goes with them change in one
transaction: a crash at any instruction loses nothing and repeats nothing.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self
from uuid import uuid4

import msgspec
import structlog

from edge import spool_file
from edge.log_file import Position
from edge.spool_file import CorruptError, SpoolError
from edge.stamp import State
from schemas import topics

__all__ = ["CorruptError", "Row", "Spool", "SpoolError", "Spooled"]

DEVICE, STAMPER = "device", "stamper"
DROPPED_AT_ONCE = 0.1  # of the limit, so that it is not reached again at the next line

INSERT = "INSERT INTO events (topic, seq, key, value) VALUES (?, ?, ?, ?)"
PLACE = "INSERT OR REPLACE INTO positions VALUES (?, ?)"
KEEP = "INSERT OR REPLACE INTO kept VALUES (?, ?)"
READ = "SELECT id, topic, seq, key, value FROM events WHERE "
SHIPPED = "DELETE FROM events WHERE topic = ? AND id <= ? RETURNING length(value)"
DROPPED = "DELETE FROM events WHERE id IN (SELECT value FROM json_each(?)) RETURNING length(value)"
READINGS = (
    "SELECT id, seq, length(value) FROM events WHERE topic = ? "
    """AND substr(value, 1, 17) = CAST('{"type":"reading"' AS BLOB) ORDER BY id"""
)

log = structlog.get_logger()


class Spooled(NamedTuple):
    """A record that is to be spooled. seq: 0 where its topic has no numbers."""

    topic: str
    seq: int
    value: bytes


class Row(NamedTuple):
    """A record that waits to be shipped."""

    id: int
    topic: str
    seq: int
    key: bytes
    value: bytes


class Spool:
    """The spool of one device, held by one process.

    state, positions: as they were stored; ``commit`` stores what they have become.
    waiting: how many rows wait to be shipped. size: how many bytes they are.
    set_aside: the damaged file that stood in its place, if there was one.
    """

    def __init__(self, path: Path, device: str, limit: int = 0) -> None:
        """Open the spool at ``path``, or make it, with a new epoch.

        A damaged one is set aside, and a new one made: the logs are read again.

        limit: of ``size``; beyond it the oldest readings go. 0: there is none.

        Raises:
            SpoolError: another edge holds it, it is another device's, or it cannot be read.
        """
        self.set_aside: Path | None = None
        self._path = path
        self._limit = limit
        self._key = device.encode()
        self._lock = spool_file.locked(path)
        try:
            self._db = self._opened(device)
        except SpoolError:
            os.close(self._lock)
            raise
        self._inode = spool_file.inode(path)
        try:
            self._load(device)
        except SpoolError:
            self.close()
            raise

    def _opened(self, device: str) -> sqlite3.Connection:
        state = msgspec.json.encode(State(epoch=uuid4().hex))
        fresh = {DEVICE: device.encode(), STAMPER: state}
        try:
            return spool_file.opened(self._path, fresh)
        except CorruptError as error:
            self.set_aside = spool_file.set_aside(self._path)
            log.error("spool_set_aside", moved_to=str(self.set_aside), reason=str(error))  # noqa: TRY400 - its sentence says it all
            return spool_file.opened(self._path, fresh)

    def _load(self, device: str) -> None:
        self._kept = dict(self._db.execute("SELECT name, value FROM kept"))
        if not {DEVICE, STAMPER} <= self._kept.keys():
            raise SpoolError(f"spool {self._path} is incomplete; move it away to begin a new one")
        owner = self._kept[DEVICE].decode()
        if owner != device:
            raise SpoolError(
                f"spool {self._path} is of device {owner}, not {device}; name another spool"
            )
        try:
            self.state = msgspec.json.decode(self._kept[STAMPER], type=State)
            places = self._db.execute("SELECT log, position FROM positions")
            self.positions = {
                log: msgspec.json.decode(found, type=Position) for log, found in places
            }
        except msgspec.MsgspecError as error:
            raise SpoolError(f"spool {self._path}: {error}") from None
        totals = self._db.execute("SELECT count(*), total(length(value)) FROM events")
        self.waiting, self.size = (int(total) for total in totals.fetchone())

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._db.close()
        os.close(self._lock)

    def kept(self, name: str) -> bytes | None:
        """Return what was last committed under ``name``; None if nothing was."""
        return self._kept.get(name)

    def commit(
        self,
        records: Iterable[Spooled],
        positions: Mapping[str, Position],
        kept: Mapping[str, bytes] | None = None,
    ) -> None:
        """Store ``records``, the ``positions`` they came from, and the states, or nothing of it.

        kept: states by name, besides the stamper's.

        Raises:
            SpoolError: nothing was stored; the same may be tried again.
        """
        rows = [(each.topic, each.seq, self._key, each.value) for each in records]
        places = [(log, msgspec.json.encode(position)) for log, position in positions.items()]
        states = {**(kept or {}), STAMPER: msgspec.json.encode(self.state)}
        with self._transaction():
            self._db.executemany(INSERT, rows)
            self._db.executemany(PLACE, places)
            self._db.executemany(KEEP, states.items())
        self.waiting += len(rows)
        self.size += sum(len(row[3]) for row in rows)
        self.positions.update(positions)
        self._kept.update(states)

    def read(self, limit: int, topic: str | None = None) -> list[Row]:
        """Return the first ``limit`` rows, of ``topic`` alone if it is given, oldest first.

        Raises:
            SpoolError: they cannot be read.
        """
        where, values = ("topic = ?", (topic,)) if topic is not None else ("1", ())
        try:
            rows = self._db.execute(f"{READ}{where} ORDER BY id LIMIT ?", (*values, limit))
            return [Row(*row) for row in rows]
        except sqlite3.Error as error:
            raise spool_file.translated(self._path, error) from error

    def acknowledge(self, topic: str, last: int, kept: Mapping[str, bytes] | None = None) -> None:
        """Forget the rows of ``topic`` up to the one with id ``last``: they are shipped.

        kept: states that change with that, by name.

        Raises:
            SpoolError: nothing was changed; the same may be tried again.
        """
        with self._transaction():
            count, size = self._forget(SHIPPED, (topic, last))
            self._db.executemany(KEEP, (kept or {}).items())
        self.waiting -= count
        self.size -= size
        self._kept.update(kept or {})

    def make_room(self, spare: Iterable[int] = ()) -> int:
        """Drop the oldest readings if there are too many bytes; return how many went.

        The servers see that their numbers are missing, and report a gap.

        spare: numbers on ``probes`` that must not go: a decision hangs on them.

        Raises:
            SpoolError: nothing was changed.
        """
        if not self._limit or self.size <= self._limit:
            return 0
        over = self.size - self._limit + round(self._limit * DROPPED_AT_ONCE)
        ids, spared = list[int](), set(spare)
        with self._transaction():
            for identity, seq, size in self._db.execute(READINGS, (topics.PROBES,)):
                if over <= 0:
                    break
                if seq not in spared:
                    ids.append(identity)
                    over -= size
            count, size = self._forget(DROPPED, (msgspec.json.encode(ids).decode(),))
        self.waiting -= count
        self.size -= size
        if count:
            log.error("spool_full", dropped=count, waiting=self.waiting, limit=self._limit)
        return count

    def _forget(self, statement: str, values: tuple[object, ...]) -> tuple[int, int]:
        """Run a DELETE that returns lengths; return how many rows went, and how many bytes."""
        lengths = [length for (length,) in self._db.execute(statement, values)]
        return len(lengths), sum(lengths)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Do all of the block, or nothing.

        Raises:
            SpoolError: it was nothing.
        """
        if spool_file.inode(self._path) != self._inode:  # else it went where nobody reads it
            raise CorruptError(f"spool {self._path} was removed or replaced while it was in use")
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            raise spool_file.translated(self._path, error) from error

    def _undo(self) -> None:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:  # it is as it was before when it is next read
            log.exception("spool_rollback_failed")
