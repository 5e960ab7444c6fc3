"""The spool's file: made, brought to this version, checked, locked, and set aside when damaged."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import structlog

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
LOG_PAGES = 256  # 1 MB, so that on a full disk the reserve has room for what it still holds
CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
DAMAGED_KEPT = 2  # each may be as large as the limit
SIDES = ("-wal", "-shm")

log = structlog.get_logger()


class SpoolError(Exception):
    """The spool cannot be used; the sentence says why. Nothing was changed."""


class CorruptError(SpoolError):
    """The spool's file is damaged, or is there no more: only a new start goes on."""


def opened(
    path: Path, fresh: Mapping[str, bytes], more_room: Callable[[], bool]
) -> sqlite3.Connection:
    """Return the database at ``path``, of this version; a new one holds ``fresh``.

    more_room: called when it cannot be opened; it is tried again if that returns True.

    Raises:
        CorruptError: it is damaged.
        SpoolError: it is of a later version, or cannot be read.
    """
    try:
        return _opened(path, fresh)
    except CorruptError:
        raise
    except SpoolError:
        if not more_room():
            raise
        return _opened(path, fresh)


def _opened(path: Path, fresh: Mapping[str, bytes]) -> sqlite3.Connection:
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
    db.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
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
    """Return which file is at ``path``; what none is if there is none.

    Raises:
        SpoolError: that cannot be seen.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    except OSError as error:
        raise SpoolError(f"spool {path}: {error.strerror}") from None
    return found.st_dev, found.st_ino


def suspect(path: Path) -> None:
    """Let the next start set the file at ``path`` aside: its own check may not see the damage."""
    with suppress(OSError):  # the next start finds it again
        _mark(path).touch()


def is_suspect(path: Path) -> bool:
    """Return whether a former run found the file at ``path`` damaged."""
    marked = _mark(path).exists()
    if marked and not path.exists():  # somebody moved it away
        _mark(path).unlink(missing_ok=True)
    return marked and path.exists()


def set_aside(path: Path) -> Path:
    """Move the damaged file at ``path`` away, with its log; return where it is now.

    Only the newest DAMAGED_KEPT are kept.

    Raises:
        SpoolError: it cannot be moved.
    """
    try:
        before = sorted(_damaged(path))
        for number in before[: len(before) + 1 - DAMAGED_KEPT]:
            _remove(_aside(path, number))
        aside = _aside(path, before[-1] + 1 if before else 1)
        for side in SIDES:
            beside = path.with_name(path.name + side)
            if beside.exists():
                beside.rename(aside.with_name(aside.name + side))
        path.rename(aside)
        _mark(path).unlink(missing_ok=True)
    except OSError as error:
        raise SpoolError(f"spool {path} is damaged and cannot be moved: {error}") from None
    return aside


def _mark(path: Path) -> Path:
    return path.with_name(path.name + "-suspect")


def _aside(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.damaged-{number}")


def _damaged(path: Path) -> list[int]:
    """Return the numbers of those that were set aside."""
    found = (each.name.rpartition("-")[2] for each in path.parent.glob(f"{path.name}.damaged-*"))
    return [int(number) for number in found if number.isdecimal()]


def _remove(damaged: Path) -> None:
    for side in ("", *SIDES):
        damaged.with_name(damaged.name + side).unlink(missing_ok=True)
    log.warning("spool_damaged_removed", removed=str(damaged))


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
