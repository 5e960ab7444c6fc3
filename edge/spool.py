"""What is stamped and not yet shipped, with where the logs had come to: one SQLite file.

Events, the positions they came from and the stamper's state change in one transaction: a crash at
any instruction loses nothing and repeats nothing.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Self
from uuid import uuid4

import msgspec

from edge.log_file import Position
from edge.stamp import State

VERSION = 1
TABLES = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL
) STRICT;
CREATE TABLE positions (log TEXT PRIMARY KEY, position BLOB NOT NULL) STRICT;
CREATE TABLE stamper (device TEXT NOT NULL, state BLOB NOT NULL) STRICT;
"""

Waiting = tuple[str, bytes]


class SpoolError(Exception):
    """The spool cannot be used; the sentence says why. Nothing was changed."""


class Row(NamedTuple):
    """A record that waits to be shipped."""

    id: int
    topic: str
    key: bytes
    value: bytes


class Spool:
    """The spool of one device, held by one process.

    state, positions: as they were stored; ``commit`` stores what they have become.
    waiting: how many rows wait to be shipped.
    """

    def __init__(self, path: Path, device: str) -> None:
        """Open the spool at ``path``, or make it, with a new epoch.

        Raises:
            SpoolError: another edge holds it, it is another device's, or it cannot be read.
        """
        self._path = path
        self._key = device.encode()
        self._lock = _lock(path)
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
        except sqlite3.Error as error:
            os.close(self._lock)
            raise SpoolError(f"spool {path}: {error}") from None
        try:
            self._prepare(device)
        except (sqlite3.Error, msgspec.DecodeError) as error:
            self.close()
            raise SpoolError(f"spool {path}: {error}") from None
        except SpoolError:
            self.close()
            raise

    def _prepare(self, device: str) -> None:
        self._db.execute("PRAGMA synchronous = FULL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._make(device)
        elif version != VERSION:
            raise SpoolError(f"spool {self._path} is of version {version}, not {VERSION}")
        held = self._db.execute("SELECT device, state FROM stamper").fetchone()
        if held is None:
            raise SpoolError(f"spool {self._path} is incomplete; move it away to begin a new one")
        owner, state = held
        if owner != device:
            raise SpoolError(
                f"spool {self._path} is of device {owner}, not {device}; name another spool"
            )
        self.state = msgspec.json.decode(state, type=State)
        rows = self._db.execute("SELECT log, position FROM positions")
        self.positions = {log: msgspec.json.decode(found, type=Position) for log, found in rows}
        self.waiting: int = self._db.execute("SELECT count(*) FROM events").fetchone()[0]

    def _make(self, device: str) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        state = msgspec.json.encode(State(epoch=uuid4().hex))
        self._db.execute("BEGIN IMMEDIATE")
        for statement in TABLES.split(";"):
            self._db.execute(statement)
        self._db.execute("INSERT INTO stamper VALUES (?, ?)", (device, state))
        self._db.execute(f"PRAGMA user_version = {VERSION}")
        self._db.execute("COMMIT")

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

    def commit(self, events: Iterable[Waiting], positions: Mapping[str, Position]) -> None:
        """Store ``events``, the ``positions`` they came from, and the state, or nothing of it.

        Raises:
            SpoolError: nothing was stored; the state in memory is ahead, so start again.
        """
        rows = [(topic, self._key, value) for topic, value in events]
        places = [(log, msgspec.json.encode(position)) for log, position in positions.items()]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT INTO events (topic, key, value) VALUES (?, ?, ?)", rows)
            self._db.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", places)
            self._db.execute("UPDATE stamper SET state = ?", (msgspec.json.encode(self.state),))
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            raise SpoolError(f"spool {self._path}: {error}") from error
        self.waiting += len(rows)
        self.positions.update(positions)

    def read(self, limit: int) -> list[Row]:
        """Return the first ``limit`` rows, oldest first."""
        rows = self._db.execute("SELECT * FROM events ORDER BY id LIMIT ?", (limit,))
        return [Row(*row) for row in rows]

    def acknowledge(self, topic: str, last: int) -> None:
        """Forget the rows of ``topic`` up to the one with id ``last``: they are shipped."""
        try:
            gone = self._db.execute("DELETE FROM events WHERE topic = ? AND id <= ?", (topic, last))
        except sqlite3.Error as error:
            raise SpoolError(f"spool {self._path}: {error}") from error
        self.waiting -= gone.rowcount

    def _undo(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")


def _lock(path: Path) -> int:
    """Return a file descriptor that holds the lock, or refuse."""
    lock = path.with_name(path.name + ".lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SpoolError(f"spool {path}: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise SpoolError(f"spool {path} is in use by another edge; stop that one first") from None
    return descriptor
