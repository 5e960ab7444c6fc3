"""What a million devices cost: to recover, and in memory."""

import sys
from collections.abc import Sequence
from pathlib import Path

from app.stream.envelope import sealed
from bench import cluster, measure
from bench.measure import Result, rounds, turns
from bench.workload import events
from schemas import topics
from tables import entries
from tables.entries import Entry
from tables.intake import take
from tables.rulebook import Rulebook
from tables.rules import default

FILLING = (sys.executable, "-m", "bench.peers.filling")
CHANGELOG = topics.changelog(topics.DECIDE, topics.SUPPLY_TABLE)
MILLION = 1_000_000
SIZES = (100_000, MILLION)


def idle(devices: int) -> Sequence[cluster.Record]:
    """Return the changelog of so many devices that are on the grid, with nothing pending."""
    book, entry = Rulebook(topics.TRANSITIONS, default()), Entry()
    for event in events(topics.TRANSITIONS, 1, 1, seed=2):
        entry, _ = take(book, entry, event, 1_777_600_000_000)
    state = entries.written(entry)
    return [(f"house-{number:07}".encode(), sealed(number, state)) for number in range(devices)]


def recovery() -> list[Result]:
    """From the start of a worker until it decides, with a million devices on its changelog."""
    ratios, seconds = [], []
    with cluster.prepared({CHANGELOG: idle(MILLION)}) as home:
        for number in rounds(5):
            pair = [_started(home, argv) for argv in turns(number, cluster.WORKER, FILLING)]
            (ours, _), (bare, _) = turns(number, *pair)
            ratios.append(ours / bare)
            seconds.append(ours)
    return [
        measure.result("recovery", ratios, 1.5, "lower", "x getmany"),
        measure.result("recovery of a million", seconds, None, "lower", "s"),
    ]


def memory() -> list[Result]:
    """Bytes of resident memory that each device adds to a worker."""
    found = []
    for size in SIZES:
        with cluster.prepared({CHANGELOG: idle(size)}) as full, cluster.prepared({}) as empty:
            values = [
                (_started(full, cluster.WORKER)[1] - _started(empty, cluster.WORKER)[1])
                * 1024**2
                / size
                for _ in rounds(3)
            ]
        found.append(measure.result(f"memory {size}", values, 160, "lower", "B a device"))
    return found


def _started(home: Path, argv: Sequence[str]) -> tuple[float, float]:
    """Return the seconds from the program's start to its readiness, and its memory then, in MB."""
    with cluster.copied(home) as node, cluster.program(node, argv) as (pid, start_s):
        return start_s, cluster.rss_mb(pid)
