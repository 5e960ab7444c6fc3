"""The four logs as one sequence. Pure.

A line counts at the greater of its own time and that of the lines before it in its log; the logs
are merged by that instant, then by rank: windows, (openings and closings,) transitions, probes.
"""

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime

from edge.parse import ParsedLine

Counted = tuple[datetime, ParsedLine]


def counted(log: Iterable[ParsedLine], since: datetime | None = None) -> Iterator[Counted]:
    """Yield each line of one log with the instant at which it counts.

    since: what the log's lines before these counted at.
    """
    for line in log:
        if since is None or line.at > since:
            since = line.at
        yield since, line


def order(item: Counted) -> tuple[datetime, int]:
    """Return what lines are sorted by; equal ones keep their file's order."""
    at, line = item
    return at, line.rank


def merged(*logs: Iterable[ParsedLine]) -> Iterator[Counted]:
    """Yield the lines of all logs, each with the instant at which it counts, in order."""
    return heapq.merge(*map(counted, logs), key=order)
