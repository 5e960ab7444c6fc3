"""The four logs as one sequence. Pure.

A line counts at the greater of its own time and that of the lines before it in its log; one that
is more than ten minutes ahead of the line after it was stamped by a wrong clock, and has that one's
time. The logs
are merged by that instant, then by rank: windows, (openings and closings,) transitions, probes.
"""

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from edge.parse import ParsedLine

AHEAD = timedelta(minutes=10)  # of what comes next, or of the clock: then a line's time is wrong

Counted = tuple[datetime, ParsedLine]


def counted(log: Iterable[ParsedLine], since: datetime | None = None) -> Iterator[Counted]:
    """Yield each line of one log with the instant at which it counts.

    since: what the log's lines before these counted at.
    """
    lines = iter(log)
    line = next(lines, None)
    while line is not None:
        following = next(lines, None)
        at = line.at
        if following is not None and at > following.at + AHEAD:
            at = following.at
        if since is None or at > since:
            since = at
        yield since, line
        line = following


def order(item: Counted) -> tuple[datetime, int]:
    """Return what lines are sorted by; equal ones keep their file's order."""
    at, line = item
    return at, line.rank


def merged(*logs: Iterable[ParsedLine]) -> Iterator[Counted]:
    """Yield the lines of all logs, each with the instant at which it counts, in order."""
    return heapq.merge(*map(counted, logs), key=order)
