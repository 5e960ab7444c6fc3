"""A clock that was wrong and is set: what was told moves along, and time goes on at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.spool import Spool
from tests.edge.benches import LOST, SETTLE_S, Bench
from tests.edge.logs import READINGS, TRANSITIONS, append, at, reading_text, transition_text


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool.db", "home") as spool:
        yield spool


def ahead(bench: Bench, folder: Path, by_s: float) -> None:
    """Let the clock be ahead for a minute, with a line in each log."""
    append(folder, TRANSITIONS, transition_text(by_s + 2, "grid"))
    append(folder, READINGS, reading_text(by_s + 3))
    for second in range(0, 61, 5):
        bench.pump.step(second, at(by_s + second - SETTLE_S))


@pytest.mark.parametrize("by_s", [3_600, 4 * 365 * 86_400])
def test_a_clock_that_was_ahead_and_is_set_back_stops_nothing(
    tmp_path: Path, spool: Spool, by_s: float
) -> None:
    bench = Bench(tmp_path, spool, LOST)
    ahead(bench, tmp_path, by_s)
    bench.step(60)
    bench.pump.clock_set(at(by_s + 60 - SETTLE_S), at(60 - SETTLE_S), at(by_s))
    bench.step(60)
    append(tmp_path, TRANSITIONS, transition_text(70, "none"))
    bench.step(70)

    seen = [bench.step(second) for second in (72, 82)]

    assert seen[0] == [("transitions", "transition", 70), ("probes", "context", 70)]
    assert ("transitions", "tick", 80) in seen[1]
    assert [each.decision.at for each in bench.ledger.handing.untold] == [at(80)]


def test_a_step_of_the_clock_is_stored_with_where_the_logs_had_come_to(
    tmp_path: Path, spool: Spool
) -> None:
    bench = Bench(tmp_path, spool)
    ahead(bench, tmp_path, 3_600)
    append(tmp_path, READINGS, reading_text(3_659))
    bench.step(60)  # it waits
    bench.pump.clock_set(at(3_658), at(58), at(3_600))
    bench.pump.step(61, at(59))

    stored = {log: place.counted_at for log, place in spool.positions.items()}
    assert stored == {TRANSITIONS: at(2), READINGS: at(3)}
    assert bench.pump.tail.earliest() == at(58)


def test_a_line_of_before_the_wrong_clock_counts_no_later_than_now(
    tmp_path: Path, spool: Spool
) -> None:
    bench = Bench(tmp_path, spool)
    ahead(bench, tmp_path, 3_600)
    bench.pump.clock_set(at(3_658), at(58), at(3_650))  # only known since a boot in between
    append(tmp_path, TRANSITIONS, transition_text(62, "none"))
    bench.step(62)

    assert ("transitions", "transition", 62) in bench.step(64)


def test_where_a_log_came_to_by_a_wrong_clock_does_not_hold_after_a_restart(
    tmp_path: Path, spool: Spool
) -> None:
    append(tmp_path, READINGS, reading_text(9_000))
    first = Bench(tmp_path, spool)
    first.pump.tail.look(0)
    first.pump.drain()
    append(tmp_path, READINGS, reading_text(100))
    again = Bench(tmp_path, spool)
    again.step(100)

    assert ("probes", "reading", 100) in again.step(102)
