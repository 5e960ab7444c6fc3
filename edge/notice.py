"""Wakes the edge when a log changes: inotify on the folder where there is one, else nothing.

What is missed (a network file system tells nobody) is found by looking every so often anyhow.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

LOOK_EVERY_S = 0.25  # without inotify
SAFETY_S = 30.0  # with it

log = structlog.get_logger()


class Notice:
    """Watches one folder. every_s: how often the logs are to be looked at nevertheless."""

    def __init__(self, folder: Path, changed: Callable[[], None]) -> None:
        """Call ``changed`` in the event loop when something in ``folder`` changes."""
        self.every_s = LOOK_EVERY_S
        self._folder = folder
        self._changed = changed
        self._fd = -1
        self._watched: tuple[int, int] | None = None

    def __enter__(self) -> Self:
        """Begin to watch."""
        try:
            from inotify_simple import INotify  # noqa: PLC0415 - it is Linux's alone

            self._inotify = INotify(nonblocking=True)
        except (ImportError, OSError) as error:
            log.info("logs_polled", every_s=LOOK_EVERY_S, reason=str(error))
            return self
        self._fd = self._inotify.fileno()
        asyncio.get_running_loop().add_reader(self._fd, self._read)
        self.watch()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Watch no more."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            self._inotify.close()

    def watch(self) -> None:
        """See to it that the folder that is there now is the one that is watched."""
        if self._fd < 0:
            return
        from inotify_simple import flags  # noqa: PLC0415 - see above

        try:
            found = self._folder.stat()
            if self._watched == (found.st_dev, found.st_ino):
                return
            wanted = flags.MODIFY | flags.CREATE | flags.MOVED_TO | flags.DELETE_SELF | flags.ATTRIB
            self._inotify.add_watch(os.fspath(self._folder), wanted | flags.MOVE_SELF)
        except OSError as error:
            if self.every_s != LOOK_EVERY_S:
                log.warning("folder_unwatched", folder=str(self._folder), reason=str(error))
            self.every_s, self._watched = LOOK_EVERY_S, None
        else:
            self.every_s, self._watched = SAFETY_S, (found.st_dev, found.st_ino)

    def _read(self) -> None:
        from inotify_simple import flags  # noqa: PLC0415 - see above

        gone = flags.DELETE_SELF | flags.MOVE_SELF | flags.IGNORED
        if any(event.mask & gone for event in self._inotify.read(timeout=0)):
            self._watched = None
        self._changed()
