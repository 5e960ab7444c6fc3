"""Wakes the edge when a log changes: inotify on the folder where there is one, else nothing.

What is missed (a network file system tells nobody) is found by looking every so often anyhow.
"""

import asyncio
import importlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import structlog

from edge.parse import LOGS

LOOK_EVERY_S = 0.25  # without inotify
SAFETY_S = 30.0  # with it
GATHER_S = 0.05  # what is written at once wakes once

log = structlog.get_logger()


class Notice:
    """Watches one folder. every_s: how often the logs are to be looked at nevertheless."""

    def __init__(self, folder: Path, changed: Callable[[], None]) -> None:
        """Call ``changed`` in the event loop when a log in ``folder``, or the folder, changes."""
        self.every_s = LOOK_EVERY_S
        self._folder = folder
        self._changed = changed
        self._inotify: Any = None
        self._flags: Any = None
        self._number = -1  # of the watch
        self._watched: tuple[int, int] | None = None
        self._waking: asyncio.TimerHandle | None = None
        self._complaint = ""

    def __enter__(self) -> Self:
        """Begin to watch."""
        try:
            inotify = importlib.import_module("inotify_simple")  # it is Linux's alone
            self._flags, self._inotify = inotify.flags, inotify.INotify(nonblocking=True)
        except (ImportError, AttributeError, OSError) as error:
            self._complain(error)
            return self
        asyncio.get_running_loop().add_reader(self._inotify.fileno(), self._read)
        self.watch()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Watch no more."""
        if self._waking is not None:
            self._waking.cancel()
        if self._inotify is not None:
            asyncio.get_running_loop().remove_reader(self._inotify.fileno())
            self._inotify.close()

    def watch(self) -> None:
        """See to it that the folder that is there now is the one that is watched."""
        if self._inotify is None:
            return
        try:
            self._watch()
            linked = any((self._folder / name).is_symlink() for name in LOGS)
        except OSError as error:
            self._complain(error)
            self._watched = None
            self.every_s = LOOK_EVERY_S
        else:
            self._complaint = ""
            self.every_s = LOOK_EVERY_S if linked else SAFETY_S  # a link's target is elsewhere

    def _watch(self) -> None:
        found = self._folder.stat()
        if self._watched == (found.st_dev, found.st_ino):
            return
        number = self._inotify.add_watch(self._folder, _wanted(self._flags))
        if number != self._number:
            with suppress(OSError):  # gone with its folder
                self._inotify.rm_watch(self._number)
        self._number, self._watched = number, (found.st_dev, found.st_ino)

    def _read(self) -> None:
        flags = self._flags
        for event in self._inotify.read(timeout=0):
            # The inode number of a removed folder may come back with another one.
            if event.wd == self._number and event.mask & flags.IGNORED:
                self._watched = None
            # The spool may lie in the same folder: it is no log.
            if not event.name or event.name.startswith(tuple(LOGS)):
                self._wake()

    def _wake(self) -> None:
        if self._waking is None:
            self._waking = asyncio.get_running_loop().call_later(GATHER_S, self._woken)

    def _woken(self) -> None:
        self._waking = None
        self._changed()

    def _complain(self, error: Exception) -> None:
        reason = str(error)
        if reason != self._complaint:
            self._complaint = reason
            log.warning("logs_polled", every_s=LOOK_EVERY_S, reason=reason)


def _wanted(flags: Any) -> int:
    """Return what to be told of: contents, names and permissions of files, the folder's own end."""
    names = flags.MODIFY | flags.CREATE | flags.DELETE | flags.MOVED_FROM | flags.MOVED_TO
    return int(names | flags.ATTRIB | flags.DELETE_SELF | flags.MOVE_SELF | flags.ONLYDIR)
