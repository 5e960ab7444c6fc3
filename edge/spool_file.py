"""The spool's file: made, brought to this version, checked, locked, and set aside when damaged."""

import fcntl
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path

VERSION = 2
TABLES = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL, seq INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL
) STRICT;
CREATE INDEX by_topic ON events (topic, id);
CREATE TABLE positions (log TEXT PRIMARY KEY, position BLOB NOT NULL) STRICT;
CREATE TABLE kept (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
"""
FROM_1 = """
ALTER TABLE events ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
UPDATE events SET seq = coalesce(json_extract(value, '$.seq'), 0);
CREATE INDEX by_topic ON events (topic, id);
CREATE TABLE kept (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
INSERT INTO kept SELECT 'device', CAST(device AS BLOB) FROM stamper;
INSERT INTO kept SELECT 'stamper', state FROM stamper;
DROP TABLE stamper;
"""
CACHE_KB = 256  # rows are written and read once, in their order
CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class SpoolError(Exception):
    """The spool cannot be used; the sentence says why. Nothing was changed."""


class CorruptError(SpoolError):
    """The spool's file is damaged, or is there no more: only a new start goes on."""


def opened(path: Path, fresh: Mapping[str, bytes]) -> sqlite3.Connection:
    """Return the database at ``path``, of this version; a new one holds ``fresh``.

    Raises:
        CorruptError: it is damaged.
        SpoolError: it is of a later version, or cannot be read.
    """
    try:
        db = sqlite3.connect(path, isolation_level=None)
    except sqlite3.Error as error:
        raise translated(path, error) from None
    try:
        _prepare(db, path, fresh)
    except sqlite3.Error as error:
        db.close()
        raise translated(path, error) from None
    except SpoolError:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, fresh: Mapping[str, bytes]) -> None:
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA cache_size = -{CACHE_KB}")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        db.execute("PRAGMA journal_mode = WAL")
        _transact(db, TABLES, fresh)
    elif version == 1:
        _transact(db, FROM_1, {})
    elif version != VERSION:
        raise SpoolError(f"spool {path} is of version {version}, not {VERSION}")
    (damage,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if damage != "ok":
        raise CorruptError(f"spool {path}: {damage}")


def translated(path: Path, error: sqlite3.Error) -> SpoolError:
    """Return ``error`` as ours."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the primary one of an extended code
    kind = CorruptError if code in CORRUPT else SpoolError
    return kind(f"spool {path}: {error}")


def inode(path: Path) -> tuple[int, int]:
    """Return which file is at ``path``; what none is if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_dev, found.st_ino


def set_aside(path: Path) -> Path:
    """Move the damaged file at ``path`` away, with its log; return where it is now.

    Raises:
        SpoolError: it cannot be moved.
    """
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    try:
        for suffix in ("-wal", "-shm"):
            side = path.with_name(path.name + suffix)
            if side.exists():
                side.rename(aside.with_name(aside.name + suffix))
        path.rename(aside)
    except OSError as error:
        raise SpoolError(f"spool {path} is damaged and cannot be moved: {error}") from None
    return aside


def locked(path: Path) -> int:
    """Return a file descriptor that holds the lock of the spool at ``path``.

    Raises:
        SpoolError: another edge holds it, or there is no such folder.
    """
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


def in_use(path: Path) -> bool:
    """Return whether an edge uses the spool at ``path``; nothing is made or changed.

    Raises:
        OSError: that cannot be seen.
    """
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _transact(db: sqlite3.Connection, script: str, kept: Mapping[str, bytes]) -> None:
    """Run ``script`` and bring the file to VERSION, or change nothing."""
    db.execute("BEGIN IMMEDIATE")
    for statement in script.split(";"):
        db.execute(statement)
    db.executemany("INSERT INTO kept VALUES (?, ?)", kept.items())
    db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")
