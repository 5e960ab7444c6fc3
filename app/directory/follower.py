"""Keeps the directory in memory, and follows its changes in a thread of its own."""

import threading
from typing import Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.directory.entries import DirectoryError
from app.directory.snapshot import Snapshot

log = structlog.get_logger()
CHECK_EVERY_S = 1.0


class Source(Protocol):
    """Where snapshots come from."""

    def revision(self) -> int:
        """Return how often it was changed."""

    def snapshot(self) -> Snapshot:
        """Return it as it is now."""


class Follower:
    """A snapshot that follows the directory, at most two seconds behind.

    A database that is slow or down holds up nobody: the last snapshot goes on being used.
    """

    def __init__(self, source: Source, every_s: float = CHECK_EVERY_S) -> None:
        """Follow ``source``; it is first read when somebody asks."""
        self._source = source
        self._every_s = every_s
        self._snapshot: Snapshot | None = None
        self._down = False
        self._over = threading.Event()
        self._first = threading.Lock()

    @property
    def known(self) -> Snapshot | None:
        """Return the directory as it was last read, if it was."""
        return self._snapshot

    def snapshot(self) -> Snapshot:
        """Return the directory as it is, or as it last was while its database is down.

        Raises:
            SQLAlchemyError: it was never read. DirectoryError, ValueError: it holds what cannot be.
        """
        with self._first:
            if self._snapshot is None:
                self._snapshot = self._source.snapshot()
                threading.Thread(target=self._follow, name="directory", daemon=True).start()
            return self._snapshot

    def refresh(self) -> None:
        """Read the directory again if it was changed, and say once when it cannot be read."""
        try:
            known = self._snapshot
            if known is None or self._source.revision() != known.revision:
                self._snapshot = self._source.snapshot()
        except (
            SQLAlchemyError,
            DirectoryError,
            ValueError,
            OverflowError,
        ) as error:  # or a row edited by hand
            if not self._down:
                log.warning("directory_unreadable", reason=str(error).splitlines()[0])
            self._down = True
            return
        if self._down:
            log.warning("directory_readable_again")
        self._down = False

    def close(self) -> None:
        """Follow no longer."""
        self._over.set()

    def _follow(self) -> None:
        while not self._over.wait(self._every_s):
            self.refresh()
