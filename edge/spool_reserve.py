"""Room on the disk that is given up when there is none left: what was shipped can still go.

Even to delete, SQLite has to write; without any room a full spool would stay full for ever.
"""

import os
from contextlib import suppress
from pathlib import Path

import structlog

RESERVE = 2_097_152
ROOM = 4 * RESERVE  # free on the disk before a reserve is made

log = structlog.get_logger()


class Reserve:
    """A file beside the spool at ``path`` that holds nothing."""

    def __init__(self, path: Path) -> None:
        """Take up the one that is there, if there is one."""
        self._path = path.with_name(path.name + "-reserve")
        self._there = self._path.exists()

    def make(self) -> None:
        """Make it, unless it is there or the disk has no room to spare."""
        if self._there:
            return
        with suppress(OSError):  # without it everything is as it is on a full disk
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize >= ROOM:
                self._fill()
                self._there = True

    def give_up(self) -> bool:
        """Remove it; return whether there was one."""
        if not self._there:
            return False
        self._there = False
        with suppress(OSError):
            self._path.unlink()
            log.warning("spool_reserve_given_up", bytes=RESERVE)
        return True

    def _fill(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE)
        except OSError:
            self._path.unlink()
            raise
        finally:
            os.close(descriptor)
