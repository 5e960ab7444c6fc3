"""When the windows of ``tests.naive_logs`` are open, worked out in the plainest way."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


class Span(NamedTuple):
    """A line of ``Op_window.log``."""

    source: str
    days: frozenset[int]
    opens: time
    closes: time
    closes_later: int
    zone: ZoneInfo


def _bounds(span: Span, day: date) -> tuple[datetime, datetime]:
    """Return when the window that ``day`` opens is opened and closed, in UTC."""
    closing = day + span.closes_later * DAY
    return (
        datetime.combine(day, span.opens, span.zone).astimezone(UTC),
        datetime.combine(closing, span.closes, span.zone).astimezone(UTC),
    )


def is_open(spans: list[Span], at: datetime) -> bool:
    """Return whether one of ``spans`` is open."""
    for span in spans:
        for back in (0, 1, 2):
            day = at.astimezone(span.zone).date() - back * DAY
            opened, closed = _bounds(span, day)
            if day.weekday() in span.days and opened <= at < closed:
                return True
    return False


def edges(span: Span, since: datetime, last: datetime) -> Iterator[datetime]:
    """Yield when ``span`` opens and closes from ``since`` to ``last``, and a little around."""
    day = since.date() - 2 * DAY
    while day <= last.date() + 2 * DAY:
        if day.weekday() in span.days:
            yield from _bounds(span, day)
        day += DAY
