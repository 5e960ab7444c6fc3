"""What goes first when a spool has too many bytes, and what never does."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from schemas import topics

DROPPED_AT_ONCE = 0.1  # of the limit, so that it is not reached again at the next line
LOOK_AGAIN = 0.05  # of the limit, until what cannot be made smaller is looked through again

# Transitions never go, nor what says who tells: policies, clocks, claims and their outcomes. The
# servers see which numbers are missing on ``probes``; of what is malformed only we can tell.
ORDER = (
    (topics.PROBES, "reading"),
    (topics.MALFORMED, "malformed"),
    (topics.PROBES, "tick"),
    (topics.PROBES, "context"),
)
OLDEST = (
    "SELECT id, seq, length(value) FROM events WHERE topic = ? AND id > ? "
    "AND substr(value, 1, ?) = CAST(? AS BLOB) ORDER BY id"
)


class Excess(NamedTuple):
    """What is to go: ids of rows, and of how many bytes. counts: by type."""

    ids: list[int]
    size: int
    counts: dict[str, int]


def excess(
    db: sqlite3.Connection, over: int, spared: Iterable[int], shipped: dict[str, int]
) -> Excess:
    """Return the oldest rows of ``over`` bytes that may go, or all there are.

    spared: numbers on ``probes`` that stay. shipped: by topic, the last id that is shipped already.
    """
    spare, ids, left, counts = set(spared), list[int](), over, dict[str, int]()
    for topic, kind in ORDER:
        begins = f'{{"type":"{kind}"'
        values = (topic, shipped.get(topic, 0), len(begins), begins)
        for identity, seq, size in db.execute(OLDEST, values):
            if left <= 0:
                break
            if topic != topics.PROBES or seq not in spare:
                ids.append(identity)
                left -= size
                counts[kind] = counts.get(kind, 0) + 1
    return Excess(ids, over - left, counts)
