"""Transactions on a spool's file, and what is done about one that fails."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from edge import spool_file
from edge.spool_file import CorruptError, SpoolError
from edge.spool_reserve import Reserve

log = structlog.get_logger()


class Writer:
    """Writes to ``db``, which was opened at ``path``, as long as it is still there."""

    def __init__(self, db: sqlite3.Connection, path: Path, reserve: Reserve) -> None:
        """Give up ``reserve`` when there is no room."""
        self._db, self._path, self._reserve = db, path, reserve
        self._inode = spool_file.inode(path)

    def check_place(self) -> None:
        """Return when the file is where it was opened.

        Raises:
            CorruptError: it is not. SpoolError: that cannot be seen.
        """
        if spool_file.inode(self._path) != self._inode:  # else it went where nobody reads it
            raise CorruptError(f"spool {self._path} was removed or replaced while it was in use")

    @contextmanager
    def transaction(self, *, deletes: bool) -> Iterator[None]:
        """Do all of the block, or nothing.

        deletes: for that the reserve may go: what only adds would fill it as well.

        Raises:
            SpoolError: it was nothing.
        """
        self.check_place()
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            raise self.failed(error, deletes=deletes) from error
        self._reserve.make()

    def failed(self, error: sqlite3.Error, *, deletes: bool = False) -> SpoolError:
        """Return ``error`` as ours; the next try has more room, or the next start a new file."""
        found = spool_file.translated(self._path, error)
        if isinstance(found, CorruptError):
            spool_file.suspect(self._path)
        elif deletes and self._reserve.give_up():
            with suppress(sqlite3.Error):  # what is written next goes over what was written before
                self._db.execute("PRAGMA wal_checkpoint(RESTART)")
        return found

    def _undo(self) -> None:
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:  # it is as it was before when it is next read
            log.exception("spool_rollback_failed")
