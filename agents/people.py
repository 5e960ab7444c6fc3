"""The directory as the agents of one process share it: opened when first needed."""

import asyncio
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


class People:
    """The directory at one URL."""

    def __init__(self, url: str) -> None:
        """Open it when somebody asks: the workers that decide need no database."""
        self._url = url
        self._opening = Lock()
        self._opened: tuple[Directory, Follower] | None = None
        self._writing = set[asyncio.Task[None]]()

    async def snapshot(self) -> "Snapshot":
        """Return who is there, as it was at most two seconds ago, or when it last could be read.

        Raises:
            SQLAlchemyError: it was never read. That is no record's fault: the worker ends, and
                tries again.
        """
        known = None if self._opened is None else self._opened[1].known
        return await asyncio.to_thread(self._first) if known is None else known

    def suppressed(self, channel: Channel, address: str) -> str | None:
        """Return why nothing is sent there, as far as that was read; None: it may be."""
        known = None if self._opened is None else self._opened[1].known
        return None if known is None else known.suppressed.get((channel, address))

    def suppress(self, channel: Channel, address: str, reason: str, at_ms: int) -> None:
        """See to it that nothing is sent there any more, soon: the outbox itself sees to it now."""
        task = asyncio.get_running_loop().create_task(
            self._suppress(channel, address, reason, at_ms)
        )
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _suppress(self, channel: Channel, address: str, reason: str, at_ms: int) -> None:
        try:
            await asyncio.to_thread(self._bar, channel, address, reason, at_ms)
        except (SQLAlchemyError, DatabaseError) as error:  # it is tried again at the next start
            log.warning("not_suppressed", channel=channel, reason=str(error).splitlines()[0])

    def _first(self) -> "Snapshot":
        return self._open()[1].snapshot()

    def _bar(self, channel: Channel, address: str, reason: str, at_ms: int) -> None:
        self._open()[0].suppress(channel, address, reason, at_ms, author="deliver")

    def _open(self) -> "tuple[Directory, Follower]":
        from app.directory import Directory, Follower  # noqa: PLC0415 - a fifth of a start

        with self._opening:
            if self._opened is None:
                directory = Directory(self._url)
                self._opened = directory, Follower(directory)
            return self._opened


people = People(apps.SETTINGS.database_url)
