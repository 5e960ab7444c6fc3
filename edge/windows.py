"""Operating windows: when a source is meant to run. Pure.

A window opens on the days it names and holds ``[open, close)``; local times become instants by its
own zone. The last line of a source holds, together with those just before it that carry the same
time.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from schemas.events import Source

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY = timedelta(days=1)
DAY_MIN = 24 * 60
LONGEST_ZONE = 64
AHEAD_DAYS = 9  # every weekday at least once, also where a zone skipped a date


class Opening(msgspec.Struct, frozen=True):
    """One window as its line says it: days, local times and zone, all as written."""

    of: Source
    days: str
    from_: str
    to: str
    tz: str


class Schedule(msgspec.Struct, frozen=True):
    """What an Opening means.

    days: weekdays on which it opens, Monday is 0.
    opens_min, closes_min: minutes after that day's midnight; closing may be past 24 hours.
    """

    days: frozenset[int]
    opens_min: int
    closes_min: int
    zone: tzinfo

    def spans(self, first: date, count: int) -> Iterator[tuple[datetime, datetime]]:
        """Yield the (open, close) instants of ``count`` local days from ``first``."""
        for day in (first + DAY * number for number in range(count)):
            if day.weekday() in self.days:
                yield self._instant(day, self.opens_min), self._instant(day, self.closes_min)

    def _instant(self, day: date, minute: int) -> datetime:
        day += DAY * (minute // DAY_MIN)
        hour, minute = divmod(minute % DAY_MIN, 60)
        return datetime(day.year, day.month, day.day, hour, minute, tzinfo=self.zone).astimezone(
            UTC
        )

    def around(self, at: datetime, count: int) -> Iterator[tuple[datetime, datetime]]:
        """Yield the spans of ``count`` days, from the local day before ``at``."""
        return self.spans(at.astimezone(self.zone).date() - DAY, count)

    def is_open(self, at: datetime) -> bool:
        """Return whether ``at`` lies in one of its spans."""
        return any(opened <= at < closed for opened, closed in self.around(at, 2))


class Windows:
    """The windows in force: what is open now, and when that next changes."""

    def __init__(self, openings: Iterable[Opening] = ()) -> None:
        self._schedules: dict[Source, list[Schedule]] = {}
        for opening in openings:
            self._schedules.setdefault(opening.of, []).append(schedule_of(opening))

    def in_window(self, source: Source | None, at: datetime) -> bool | None:
        """Return whether a window of ``source`` is open; None when it has none."""
        if source is None or source not in self._schedules:
            return None
        return any(schedule.is_open(at) for schedule in self._schedules[source])

    def due(self, at: datetime) -> tuple[Source, ...]:
        """Return the sources whose window is open, sorted."""
        return tuple(sorted(source for source in self._schedules if self.in_window(source, at)))

    def next_change(self, after: datetime) -> datetime | None:
        """Return the first instant later than ``after`` at which a window opens or closes."""
        edges = (
            edge
            for schedules in self._schedules.values()
            for schedule in schedules
            for span in schedule.around(after, AHEAD_DAYS + 1)
            for edge in span
            if edge > after
        )
        return min(edges, default=None)


def schedule_of(opening: Opening) -> Schedule:
    """Return what ``opening`` means. Raises ValueError as ``schedule`` does."""
    return schedule(opening.days, opening.from_, opening.to, opening.tz)


@lru_cache(maxsize=256)
def schedule(days: str, from_: str, to: str, tz: str) -> Schedule:
    """Return the meaning of a window's texts.

    Raises:
        ValueError: one of them is wrong; the sentence names it and what would be right.
    """
    opens = _minute("from", from_, DAY_MIN - 1)
    closes = _minute("to", to, DAY_MIN)
    if closes <= opens:
        closes += DAY_MIN
    return Schedule(_weekdays(days), opens, closes, zone(tz))


def zone(name: str) -> tzinfo:
    """Return the time zone called ``name``. Raises ValueError when there is none."""
    if name == "UTC":
        return UTC
    try:
        if 0 < len(name) <= LONGEST_ZONE and name.isascii():
            return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        pass  # what it raises for a folder, an absolute path or an unknown name differs
    raise ValueError(f"tz={name[:LONGEST_ZONE]} is not a known time zone, as in Africa/Lagos")


def _minute(key: str, text: str, latest: int) -> int:
    hour, colon, minute = text.partition(":")
    if colon and len(hour) == len(minute) == 2 and text.isascii() and (hour + minute).isdigit():  # noqa: PLR2004
        total = int(hour) * 60 + int(minute)
        if int(minute) < 60 and total <= latest:  # noqa: PLR2004
            return total
    last = "24:00" if latest == DAY_MIN else "23:59"
    raise ValueError(f"{key}={text[:20]} is not a time from 00:00 to {last}")


def _weekdays(text: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.lower().split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS or part.endswith("-"):
            raise ValueError(f"days={text[:40]} is not a list of days, as in mon-fri,sun")
        start, end = DAYS.index(first), DAYS.index(last or first)
        days.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return frozenset(days)
