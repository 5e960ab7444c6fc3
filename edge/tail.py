"""The four logs as they grow: whole lines only, in the order in which they count.

A line waits ``settle`` after its bytes were first seen, so that what other logs say of the moments
before it can still go first. Memory is bounded: a log is read on only when its queue has room.
"""

from collections import deque
from collections.abc import Mapping
from datetime import datetime, tzinfo
from pathlib import Path

from edge.log_file import Entry, Key, LogFile, Position
from edge.parse import LOGS

__all__ = ["Entry", "Position", "Tail"]


class Tail:
    """Follows the logs in one folder from where ``positions`` says it had come to."""

    def __init__(
        self, folder: Path, positions: Mapping[str, Position], zone: tzinfo, settle_s: float
    ) -> None:
        self._settle_s = settle_s
        self._logs = [LogFile(folder / log, positions.get(log), zone) for log in LOGS]

    @property
    def behind(self) -> bool:
        """Return whether a log holds bytes that were noted and not yet read."""
        return any(log.behind for log in self._logs)

    @property
    def queued(self) -> bool:
        """Return whether lines wait for their turn."""
        return any(log.queue for log in self._logs)

    @property
    def progress(self) -> tuple[int, int]:
        """Return how many bytes are read, and how many there are."""
        return sum(log.read for log in self._logs), sum(log.noted for log in self._logs)

    @property
    def unfinished(self) -> dict[str, int]:
        """Return how many bytes each log holds after its last whole line, where there are any."""
        return {log.name: log.unfinished for log in self._logs if log.unfinished}

    @property
    def settles_at_s(self) -> float | None:
        """Return when the longest waiting lines have settled; None when none wait."""
        waiting = (log.settling_from_s for log in self._logs)
        return min((since + self._settle_s for since in waiting if since is not None), default=None)

    def look(self, now_s: float) -> None:
        """Note how long each log is at ``now_s``, of a clock that never steps."""
        for log in self._logs:
            log.look(now_s)

    def fill(self, latest: datetime | None = None, *, history: bool = False) -> None:
        """Read on where there is room, no further than was noted; see ``LogFile.fill``."""
        for log in self._logs:
            log.fill(latest, history=history)

    def clock_set(self, was: datetime, is_: datetime, since: datetime) -> None:
        """Let what waits count as of the right time: what was ``was`` is ``is_``."""
        for log in self._logs:
            log.clock_set(was, is_, since)

    def earliest(self) -> datetime | None:
        """Return the instant of the first waiting line; None when none waits."""
        return min((log.queue[0].at for log in self._logs if log.queue), default=None)

    def release(self, now_s: float) -> list[Entry]:
        """Return the lines whose turn has come at ``now_s``, in order."""
        limits = (log.due(now_s - self._settle_s) for log in self._logs)
        return self._up_to(max((limit for limit in limits if limit), default=None))

    def release_all(self) -> list[Entry]:
        """Return the lines that can be put in order, without waiting for later ones.

        What has no end in a rotated file is a line then.
        """
        for log in self._logs:
            log.finish()
        last = max((log.queue[-1].key for log in self._logs if log.queue), default=None)
        sure = (log.sure for log in self._logs if log.queue and log.behind)
        return self._up_to(None if last is None else min([last, *sure]))

    def _up_to(self, limit: Key | None) -> list[Entry]:
        released = list[Entry]()
        while limit is not None and not any(not log.queue and log.behind for log in self._logs):
            waiting = sorted(
                (log.queue for log in self._logs if log.queue), key=lambda queue: queue[0].key
            )
            if not waiting or waiting[0][0].key > limit:
                break
            stop = min(limit, waiting[1][0].key) if len(waiting) > 1 else limit
            _move(waiting[0], stop, released)
        self._remember({entry.log: entry for entry in released})
        return released

    def _remember(self, last: Mapping[str, Entry]) -> None:
        for log in self._logs:
            if log.name in last:
                log.remember(last[log.name])


def _move(queue: deque[Entry], stop: Key, released: list[Entry]) -> None:
    while queue and queue[0].key <= stop:
        released.append(queue.popleft())
