"""The time of the streams: it runs on, and steps only in a ``clock`` record.

Small computers boot without the time. CLOCK_BOOTTIME carries the streams' clock; at a start behind
the last stamp it goes on from there, until the system's clock is ahead of it, or the kernel says
that it is synchronised.
"""

import asyncio
import ctypes
import time
from datetime import UTC, datetime, timedelta

import msgspec

TOLERANCE = timedelta(seconds=2)
TIME_ERROR = 5  # of adjtimex(2): the clock is not synchronised
TIMEX_BYTES = 208  # struct timex of Linux, on 64 bits; on 32 it is smaller


class Reading(msgspec.Struct, frozen=True):
    """What the machine's clocks say. boot_s: of CLOCK_BOOTTIME, which nobody sets."""

    boot_s: float
    wall: datetime
    synchronised: bool


class Step(msgspec.Struct, frozen=True):
    """The clock was wrong: what it called ``was`` is ``is_``, and so on back to ``since``."""

    was: datetime
    is_: datetime
    since: datetime


class Carried(msgspec.Struct, frozen=True):
    """What survives a restart. since: of a clock that may be wrong, its first stamp; else None."""

    since: datetime | None = None


class StreamClock:
    """The streams' clock. carried: whether it only goes on from a stamp."""

    def __init__(
        self, reading: Reading, last: datetime | None, before: Carried | None = None
    ) -> None:
        """Begin at ``reading``.

        last: the newest stamp there is. before: how a former run left its clock.
        """
        behind = last is not None and reading.wall < last and not reading.synchronised
        begin = last if behind and last is not None else reading.wall
        self.carried = behind
        held = before.since if before is not None and behind else None
        self._begin(reading, begin, held or begin)

    def _begin(self, reading: Reading, at: datetime, since: datetime) -> None:
        self._at, self._boot_s, self._since = at, reading.boot_s, since

    @property
    def state(self) -> Carried:
        """Return what the next run has to know."""
        return Carried(self._since if self.carried else None)

    def now(self, reading: Reading) -> datetime:
        """Return the streams' time."""
        return self._at + timedelta(seconds=reading.boot_s - self._boot_s)

    def look(self, reading: Reading) -> Step | None:
        """Return the step that has to be told, once the system's clock is known to be right."""
        now = self.now(reading)
        if self.carried and not reading.synchronised and reading.wall < now:
            return None
        self.carried = False
        if abs(reading.wall - now) <= TOLERANCE:
            return None
        return self._step(reading, now, reading.wall)

    def set(self, reading: Reading, network: datetime) -> Step | None:
        """Return the step to the time of the phone network, if there is nothing better."""
        now = self.now(reading)
        if not self.carried or reading.synchronised or abs(network - now) <= TOLERANCE:
            return None
        return self._step(reading, now, network)

    def _step(self, reading: Reading, was: datetime, is_: datetime) -> Step:
        step = Step(was, is_, self._since)
        self._begin(reading, is_, is_)
        return step


class Clock:
    """The machine's clocks; tests have their own."""

    def read(self) -> Reading:
        """Return what they say."""
        boot_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        return Reading(boot_s, datetime.now(UTC), synchronised())

    def monotonic(self) -> float:
        """Return seconds of a clock that never steps."""
        return time.monotonic()

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Return after ``seconds``, or when ``event`` is set."""
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return


def synchronised() -> bool:
    """Return whether the kernel says that somebody keeps its clock right (adjtimex(2))."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return False
    state: int = adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    return 0 <= state != TIME_ERROR
