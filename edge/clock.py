"""The time of the streams: it runs on, and steps only in a ``clock`` record.

Small computers boot without the time. CLOCK_BOOTTIME carries the streams' clock; at a start behind
the last stamp it goes on from there, until the system's clock is ahead of it, or the kernel says
that it is synchronised.
"""

import asyncio
import ctypes
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec

from edge.merge import AHEAD

TOLERANCE = timedelta(seconds=2)
TIME_ERROR = 5  # of adjtimex(2): the clock is not synchronised
PLAUSIBLE = datetime(2024, 1, 1, tzinfo=UTC)  # before it, a clock was never set
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TIMEX_BYTES = 208  # struct timex of Linux, on 64 bits; on 32 it is smaller


class Reading(msgspec.Struct, frozen=True):
    """What the machine's clocks say.

    boot_s: of CLOCK_BOOTTIME, which nobody sets. boot: which boot it counts from; empty: unknown.
    """

    boot_s: float
    wall: datetime
    synchronised: bool
    boot: str = ""


class Step(msgspec.Struct, frozen=True):
    """The clock was wrong: what it called ``was`` is ``is_``, and so on back to ``since``."""

    was: datetime
    is_: datetime
    since: datetime


def set_by(at: datetime, was: datetime, is_: datetime, since: datetime) -> datetime:
    """Return what ``at`` is after a step: no later than ``is_``, or nothing would pass it by."""
    return min(at + (is_ - was) if at >= since else at, is_)


class Carried(msgspec.Struct, frozen=True):
    """What survives a restart: the clock called ``boot_s`` of ``boot`` ``at``.

    since: its first stamp. carried: whether it only went on from a stamp.
    """

    at: datetime
    boot_s: float
    boot: str
    since: datetime
    carried: bool

    def runs_on(self, reading: Reading) -> bool:
        """Return whether CLOCK_BOOTTIME has run on since, to ``reading``."""
        return self.boot != "" and self.boot == reading.boot and self.boot_s <= reading.boot_s


class StreamClock:
    """The streams' clock. carried: whether it only goes on from a stamp.

    A restart of the program changes nothing about it; after one of the machine it begins anew.
    """

    def __init__(
        self, reading: Reading, last: datetime | None, before: Carried | None = None
    ) -> None:
        """Begin at ``reading``.

        last: the newest stamp there is. before: the ``state`` of a former run.
        """
        if before is not None and before.runs_on(reading):
            self._state = before
            return
        newest = reading.wall if last is None else max(last, reading.wall)
        behind = reading.wall < max(newest, PLAUSIBLE) and not reading.synchronised
        ahead = reading.synchronised and reading.wall < newest  # the last stamp was wrong
        wrong = ahead and newest - reading.wall > AHEAD  # by less it may be a line that was ahead
        same = before is not None and (wrong or (before.carried and behind))  # nobody knew
        since = before.since if same and before is not None else newest
        self._state = Carried(newest, reading.boot_s, reading.boot, since, behind)

    @property
    def state(self) -> Carried:
        """Return what the next run has to know; it changes when a step does, or ``carried``."""
        return self._state

    @property
    def carried(self) -> bool:
        return self._state.carried

    def now(self, reading: Reading) -> datetime:
        """Return the streams' time."""
        return self._state.at + timedelta(seconds=reading.boot_s - self._state.boot_s)

    def look(self, reading: Reading) -> Step | None:
        """Return the step that has to be told, once the system's clock is known to be right."""
        now = self.now(reading)
        if self.carried and not reading.synchronised and reading.wall < max(now, PLAUSIBLE):
            return None
        if self.carried:
            self._state = msgspec.structs.replace(self._state, carried=False)
        return self._step(reading, now, reading.wall)

    def set(self, reading: Reading, network: datetime) -> Step | None:
        """Return the step to the time of the phone network, if there is nothing better."""
        if not self.carried or reading.synchronised:
            return None
        return self._step(reading, self.now(reading), network)

    def _step(self, reading: Reading, was: datetime, is_: datetime) -> Step | None:
        if abs(is_ - was) <= TOLERANCE:
            return None
        step = Step(was, is_, self._state.since)
        self._state = Carried(is_, reading.boot_s, reading.boot, is_, self.carried)
        return step


class Clock:
    """The machine's clocks; tests have their own."""

    def read(self) -> Reading:
        """Return what they say."""
        boot_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        return Reading(boot_s, datetime.now(UTC), synchronised(), boot_id())

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


@cache
def boot_id() -> str:
    """Return what the kernel calls this boot, or nothing where it does not say (random(4))."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def synchronised() -> bool:
    """Return whether the kernel says that somebody keeps its clock right (adjtimex(2))."""
    adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
    if adjtimex is None:
        return False
    state: int = adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    return 0 <= state != TIME_ERROR
