"""What is stamped and not yet shipped, with where the logs had come to: one SQLite file.

Records, the positions they came from and every state that goes with them change in one
transaction: a crash at any instruction loses nothing and repeats nothing.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Self
from uuid import uuid4

import msgspec
import structlog

from edge import spool_file
from edge.decider import DECIDED
from edge.log_file import Position
from edge.spool_file import CorruptError, SpoolError
from edge.spool_limit import DROPPED_AT_ONCE, LOOK_AGAIN, excess
from edge.spool_reserve import Reserve
from edge.spool_writer import Writer
from edge.stamp import State

__all__ = ["CorruptError", "Row", "Spool", "SpoolError", "Spooled"]

DEVICE, STAMPER = "device", "stamper"
FORGOTTEN_AT_ONCE = 1_000  # rows that are shipped and not yet deleted

INSERT = "INSERT INTO events (topic, seq, key, value) VALUES (?, ?, ?, ?)"
PLACE = "INSERT OR REPLACE INTO positions VALUES (?, ?)"
KEEP = "INSERT OR REPLACE INTO kept VALUES (?, ?)"
READ = "SELECT id, topic, seq, key, value FROM events WHERE "
WAITING = "SELECT count(*), total(length(value)) FROM events"
NEWLY = f"{WAITING} WHERE topic = ? AND id > ? AND id <= ?"
SHIPPED = "DELETE FROM events WHERE topic = ? AND id <= ?"
DROPPED = "DELETE FROM events WHERE id IN (SELECT value FROM json_each(?))"

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

        limit: of ``size``; beyond it ``make_room`` drops. 0: there is none.

        Raises:
            SpoolError: another edge holds it, it is another device's, or it cannot be read.
        """
        self.set_aside: Path | None = None
        self._path = path
        self._limit = limit
        self._look_again = 0  # at which size what may go is looked for again
        self._key = device.encode()
        self._shipped: dict[str, int] = {}  # by topic, the last id that is not to be sent again
        self._undeleted, self._to_delete = set[str](), 0
        self._lock = spool_file.locked(path)
        self._reserve = Reserve(path)
        try:
            self._open(device)
        except SpoolError:
            os.close(self._lock)
            raise
        self._reserve.make()

    def _open(self, device: str) -> None:
        if spool_file.is_suspect(self._path):
            self._move_aside("a former run found it damaged")
        try:
            self._begin(device)
        except CorruptError as error:
            self._move_aside(str(error))
            self._begin(device)

    def _move_aside(self, reason: str) -> None:
        self.set_aside = spool_file.set_aside(self._path)
        log.error("spool_set_aside", moved_to=str(self.set_aside), reason=reason)

    def _begin(self, device: str) -> None:
        state = msgspec.json.encode(State(epoch=uuid4().hex))
        fresh = {DEVICE: device.encode(), STAMPER: state}
        self._db = spool_file.opened(self._path, fresh, self._reserve.give_up)
        try:
            self._writer = Writer(self._db, self._path, self._reserve)
            self._load(device)
        except sqlite3.Error as error:
            self._db.close()
            raise spool_file.translated(self._path, error) from error
        except SpoolError:
            self._db.close()
            raise

    def _load(self, device: str) -> None:
        self._kept = dict(self._db.execute("SELECT name, value FROM kept"))
        if not {DEVICE, STAMPER} <= self._kept.keys():
            raise CorruptError(f"spool {self._path} is incomplete")
        with self.understood():
            owner = self._kept[DEVICE].decode()
            self.state = msgspec.json.decode(self._kept[STAMPER], type=State)
            places = self._db.execute("SELECT log, position FROM positions")
            self.positions = {
                log: msgspec.json.decode(found, type=Position) for log, found in places
            }
        if owner != device:
            raise SpoolError(
                f"spool {self._path} is of device {owner}, not {device}; name another spool"
            )
        self.waiting, self.size = map(int, self._db.execute(WAITING).fetchone())

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give the file back."""
        if self._undeleted:
            with suppress(SpoolError):  # what it still has is sent again, and known by its number
                self._forget()
        self._db.close()
        os.close(self._lock)

    def kept(self, name: str) -> bytes | None:
        """Return what was last committed under ``name``; None if nothing was."""
        return self._kept.get(name)

    @contextmanager
    def understood(self) -> Iterator[None]:
        """Decode kept states within the block; one that is none is damage.

        Raises:
            CorruptError: it was none; the next start sets the file aside.
        """
        try:
            yield
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            spool_file.suspect(self._path)
            raise CorruptError(f"spool {self._path}: {error}") from None

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

    def read(self, limit: int, topic: str | None = None, most_bytes: int = 0) -> list[Row]:
        """Return the first ``limit`` rows, of ``topic`` alone if it is given, oldest first.

        most_bytes: of values, beyond the first row; 0: there is no limit.

        Raises:
            SpoolError: they cannot be read.
        """
        values = () if topic is None else (topic, self._shipped.get(topic, 0))
        where = "topic = ? AND id > ?" if values else "1"
        rows, size = list[Row](), 0
        try:
            for row in map(Row._make, self._db.execute(f"{READ}{where} ORDER BY id", values)):
                size += len(row.value)
                if len(rows) == limit or (rows and 0 < most_bytes < size):
                    break
                if row.id > self._shipped.get(row.topic, 0):
                    rows.append(row)
        except sqlite3.Error as error:
            raise self._writer.failed(error) from error
        return rows

    def acknowledge(self, topic: str, last: int, kept: Mapping[str, bytes] | None = None) -> None:
        """Forget the rows of ``topic`` up to the one with id ``last``: they are shipped.

        They are not read again, and deleted with the next commit, at once where nobody would drop
        copies: after a crash before it they are read again, and the servers drop them.

        kept: states that change with that, by name; they are stored at once.

        Raises:
            SpoolError: nothing was changed; the same may be tried again.
        """
        self._writer.check_place()
        try:
            newly = self._db.execute(NEWLY, (topic, self._shipped.get(topic, 0), last))
            count, size = map(int, newly.fetchone())
        except sqlite3.Error as error:
            raise self._writer.failed(error) from error
        if kept:
            with self._transaction(deletes=True):
                self._db.execute(SHIPPED, (topic, last))
                self._db.executemany(KEEP, kept.items())
            self._kept.update(kept)
        self._shipped[topic] = max(last, self._shipped.get(topic, 0))
        self._undeleted.add(topic)
        self._to_delete += count
        self.waiting -= count
        self.size -= size
        if not kept and (self._to_delete >= FORGOTTEN_AT_ONCE or topic not in DECIDED):
            self._forget()

    def make_room(self, spare: Iterable[int] = ()) -> int:
        """Drop the oldest of what may go if there are too many bytes; return how many went.

        spare: numbers on ``probes`` that must not go: a decision hangs on them.

        Raises:
            SpoolError: nothing was changed.
        """
        if not self._limit or self.size <= max(self._limit, self._look_again):
            return 0
        over = self.size - self._limit + round(self._limit * DROPPED_AT_ONCE)
        with self._transaction(deletes=True):
            ids, size, counts = excess(self._db, over, spare, self._shipped)
            self._db.execute(DROPPED, (msgspec.json.encode(ids).decode(),))
        self.waiting -= len(ids)
        self.size -= size
        self._look_again = 0
        if ids:
            log.error("spool_full", dropped=counts, waiting=self.waiting, limit=self._limit)
        if self.size > self._limit:
            self._look_again = self.size + round(self._limit * LOOK_AGAIN)
            log.error("spool_over_limit", size=self.size, limit=self._limit)
        return len(ids)

    def _forget(self) -> None:
        """Delete what is shipped, if that can be; else the next commit does it.

        Raises:
            CorruptError: the file is damaged, or is there no more.
        """
        try:
            with self._transaction():
                pass
        except CorruptError:
            raise
        except SpoolError as error:
            log.debug("spool_not_tidied", reason=str(error))

    @contextmanager
    def _transaction(self, *, deletes: bool = False) -> Iterator[None]:
        """Do all of the block, and delete what is shipped, or nothing.

        Raises:
            SpoolError: it was nothing.
        """
        with self._writer.transaction(deletes=deletes or bool(self._undeleted)):
            for topic in self._undeleted:
                self._db.execute(SHIPPED, (topic, self._shipped[topic]))
            yield
        self._undeleted.clear()
        self._to_delete = 0
