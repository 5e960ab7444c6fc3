"""The directory as the agents of one process share it: opened when first needed."""

import asyncio
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.database import DatabaseError
from app.stream import apps
from schemas.delivery import Channel

if TYPE_CHECKING:
    from app.directory import Directory, Follower, Snapshot

log = structlog.get_logger()
AGAIN_S = 10.0
MOST_UNWRITTEN = 100_000  # more are tried at the next start: the outboxes know them
Key = tuple[Channel, str]
Barred = tuple[str, int]  # why, and since when


class People:
    """The directory at one URL."""

    def __init__(self, url: str, again_s: float = AGAIN_S) -> None:
        """Open it when somebody asks: the workers that decide need no database.

        again_s: after so long what could not be written is written again.
        """
        self._url = url
        self._again_s = again_s
        self._opening = Lock()
        self._opened: tuple[Directory, Follower] | None = None
        self._unwritten: dict[Key, Barred] = {}
        self._writing: asyncio.Task[None] | None = None

    async def snapshot(self) -> "Snapshot":
        """Return who is there, as it was at most two seconds ago, or when it last could be read.

        Raises:
            SQLAlchemyError: it was never read. That is no record's fault: the worker ends, and
                tries again.
        """
        known = self._known
        return await asyncio.to_thread(self._first) if known is None else known

    def suppressed(self, channel: Channel, address: str) -> str | None:
        """Return why nothing is sent there now; None: nothing bars it, or nothing was read yet.

        It is as new as the snapshot, and knows at once what ``suppress`` was told.
        """
        if (known := self._known) is None:
            return None
        key = channel.value, address
        reason, at_ms = self._unwritten.get((channel, address), ("", 0))
        if reason and known.verified_ms.get(key, 0) <= at_ms:  # else it works again since
            return reason
        return known.suppressed.get(key)

    def suppress(self, channel: Channel, address: str, reason: str, at_ms: int) -> None:
        """See to it that nothing is sent there any more, as soon as that can be written."""
        if len(self._unwritten) >= MOST_UNWRITTEN:
            log.error("not_suppressed", channel=channel, reason="too many wait to be written")
            return
        self._unwritten[channel, address] = reason, at_ms
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        failing = False
        while self._unwritten:
            said = dict(self._unwritten)
            written, error = await asyncio.to_thread(self._bar, said)
            for each in written:
                if self._unwritten[each] == said[each]:  # else more was said of it meanwhile
                    del self._unwritten[each]
            if error is None:
                failing = False
                continue
            if not failing:
                reason = str(error).splitlines()[0]
                log.warning("not_suppressed", waiting=len(self._unwritten), reason=reason)
            failing = True
            refused = next(iter(self._unwritten))  # it may be at fault: the others go first
            self._unwritten[refused] = self._unwritten.pop(refused)
            await asyncio.sleep(self._again_s)

    @property
    def _known(self) -> "Snapshot | None":
        return None if self._opened is None else self._opened[1].known

    def _first(self) -> "Snapshot":
        return self._open()[1].snapshot()

    def _bar(self, said: Mapping[Key, Barred]) -> tuple[list[Key], Exception | None]:
        """Write ``said`` until that fails; return what was written, and why it failed."""
        written: list[Key] = []
        try:
            directory, follower = self._open()
            for (channel, address), (reason, at_ms) in said.items():
                directory.suppress(channel, address, reason, at_ms, author="deliver")
                written.append((channel, address))
        except (SQLAlchemyError, DatabaseError) as error:
            return written, error
        if follower.known is not None:
            follower.refresh()  # or it would be forgotten here before it is known there
        return written, None

    def _open(self) -> "tuple[Directory, Follower]":
        from app.directory import Directory, Follower  # noqa: PLC0415 - a fifth of a start

        with self._opening:
            if self._opened is None:
                directory = Directory(self._url)
                self._opened = directory, Follower(directory)
            return self._opened


people = People(apps.SETTINGS.database_url)
