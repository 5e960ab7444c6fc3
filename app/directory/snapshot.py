"""The directory in memory: one street's outage asks for ten thousand devices at once."""

import time
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError

from schemas.delivery import Channel

log = structlog.get_logger()
CHECK_EVERY_S = 1.0


class Contact(msgspec.Struct, frozen=True):
    """One address of one person. enabled: whether messages go there."""

    person: str
    channel: Channel
    address: str
    enabled: bool


class Snapshot(msgspec.Struct, frozen=True):
    """The directory as it was at one revision. owned: the owners' addresses, by device."""

    revision: int
    owned: Mapping[str, tuple[Contact, ...]]

    def recipients(self, device: str) -> tuple[Contact, ...]:
        """Return the addresses of the owners of ``device``; none if nobody owns it."""
        return self.owned.get(device, ())


class Source(Protocol):
    """Where snapshots come from."""

    def revision(self) -> int:
        """Return how often it was changed."""

    def snapshot(self) -> Snapshot:
        """Return it as it is now."""


class Follower:
    """Keeps a snapshot that follows the directory, at most a second behind."""

    def __init__(self, source: Source, clock: Callable[[], float] = time.monotonic) -> None:
        """Follow ``source``; read it when first asked."""
        self._source = source
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self._checked_at = 0.0

    def snapshot(self) -> Snapshot:
        """Return the directory as it is, or as it last was while its database is down.

        Raises:
            SQLAlchemyError: it was never read.
        """
        now = self._clock()
        if self._snapshot is None:
            self._snapshot = self._source.snapshot()
        elif now < self._checked_at + CHECK_EVERY_S:
            return self._snapshot
        else:
            self._refresh(self._snapshot)
        self._checked_at = now
        return self._snapshot

    def _refresh(self, known: Snapshot) -> None:
        try:
            if self._source.revision() != known.revision:
                self._snapshot = self._source.snapshot()
        except SQLAlchemyError as error:
            log.warning("directory_unreadable", revision=known.revision, reason=str(error))
