"""Ends a worker that must not go on; the supervisor starts it again where it was.

* It slept: its loop stood still for half the session timeout, in a machine that was suspended or a
  process that was stopped. Its partitions may be another's: it ends before it sends.
* It is stuck: of a partition whose end moves on, nothing was handled for two minutes.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

import msgspec
import structlog

log = structlog.get_logger()

EXIT_UNFINISHED = 70  # EX_SOFTWARE of sysexits.h: the supervisor starts the worker again
EXIT_CONFIG = 78  # EX_CONFIG: it will not do before somebody has changed something
SESSION_TIMEOUT_S = 10.0  # after which the group gives a silent worker's partitions to another
BEAT_S = 0.5
LOOK_S = 10.0
STUCK_S = 120.0
Partition = TypeVar("Partition")


def end(code: int, event: str, **fields: object) -> NoReturn:
    """End the process at once, with the reason in its log."""
    log.critical(event, **fields)
    os._exit(code)


def boot_clock() -> float:
    """Return seconds that go on while the machine is suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Pulse:
    """Tells whether the loop stood still for too long."""

    def __init__(self, limit_s: float, clock: Callable[[], float] = boot_clock) -> None:
        """Take more than ``limit_s`` between two beats for a sleep."""
        self._limit_s = limit_s
        self._clock = clock
        self._last: float | None = None

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            self.check()
            self._last = self._clock()
            await asyncio.sleep(BEAT_S)

    def check(self) -> None:
        """Return if the loop did not stand still; else end the process."""
        stood_s = 0.0 if self._last is None else self._clock() - self._last
        if stood_s > self._limit_s:
            end(EXIT_UNFINISHED, "worker_stood_still", stood_s=round(stood_s, 1))


class Waiting(msgspec.Struct, frozen=True):
    """Records of a partition that wait, and more came since. handled: the last one that does not.

    end: where the partition ended. since_s: when it was last seen to end there, or first to wait.
    """

    handled: int | None
    end: int
    since_s: float


class Progress(msgspec.Struct):
    """How far each partition has come, and which of them stand still. The caller has the clock."""

    handled: dict[object, int] = {}
    waiting: dict[object, Waiting] = {}

    def stuck(self, ends: Mapping[Partition, int], now_s: float) -> Partition | None:
        """Return a partition that stood still for too long while its end moved on.

        ends: where each partition that is ours ends now.
        """
        found: Partition | None = None
        waiting: dict[object, Waiting] = {}
        for partition, offset in ends.items():
            handled = self.handled.get(partition)
            if handled is not None and handled + 1 >= offset:
                continue
            before = self.waiting.get(partition)
            if before is None or before.handled != handled or before.end == offset:
                before = Waiting(handled, offset, now_s)
            waiting[partition] = before
            if offset > before.end and now_s - before.since_s > STUCK_S:
                found = partition
        self.waiting = waiting
        return found


pulse = Pulse(SESSION_TIMEOUT_S / 2)  # of this process: one worker runs in it
progress = Progress()
