"""What is new, what is missing, what is told again. Times are seconds; the device is ``home``."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import handover
from schemas.decision import Decision
from schemas.events import Clock, Event
from schemas.liveness import Gap
from schemas.record import OutOfRangeError
from tables import entries
from tables.entries import Entry
from tables.intake import raised, take
from tables.rulebook import Rulebook
from tests.events import GRID, INVERTER, at, context, rule, stamp, tick, told, transition

LOST = rule(
    'name="lost"\nstream="transitions"\nwhen={field="source",not_equals="grid"}\nfor="10s"\n'
    'clear_for="5s"\nreset="60s"'
)
BOOK = Rulebook("transitions", (LOST,))
GOLDEN = Path(__file__).parent / "golden"


def numbered(
    seq: int, event: Event, epoch: str = "e", run: str = "r1", *, backlog: bool = False
) -> Event:
    mark = {"backlog": True} if backlog else {}
    return msgspec.structs.replace(event, seq=seq, epoch=epoch, run=run, **mark)


def clock(second: float, was: float, is_: float, since: float) -> Clock:
    return Clock(**stamp(second, None), was=at(was), is_=at(is_), from_=at(since))


def taken(*events: Event, entry: Entry | None = None) -> tuple[Entry, list[Decision], list[Gap]]:
    entry, decisions, gaps = entry or Entry(), list[Decision](), list[Gap]()
    for offset, event in enumerate(events):
        after, more = take(BOOK, entry, event, 0)
        gap = raised(entry, after, event, "transitions", offset)
        gaps += [] if gap is None else [gap]
        decisions += handover.decided(more)
        entry = after
    return entry, decisions, gaps


OUTAGE: tuple[Event, ...] = (
    transition(0, GRID, INVERTER),
    tick(20),
    transition(30, INVERTER, GRID),
    tick(50),
)
HISTORY = tuple(numbered(seq, event) for seq, event in enumerate(OUTAGE, 1))


def test_a_copy_is_dropped_and_counted() -> None:
    once, decisions, _ = taken(*HISTORY)
    twice, again, gaps = taken(*HISTORY, *HISTORY)

    assert (again, gaps) == (decisions, [])
    counts = msgspec.structs.replace(once.counts, duplicates=4)
    assert twice == msgspec.structs.replace(once, counts=counts)


def test_a_copy_that_a_former_start_wrote_is_a_copy() -> None:
    second = numbered(5, tick(60), run="r2")
    entry, _, gaps = taken(*HISTORY, second, *HISTORY)

    assert (entry.counts.duplicates, entry.counts.rollbacks, gaps) == (4, 0, [])


def test_a_number_left_out_is_raised_and_the_rest_applied() -> None:
    entry, decisions, (gap,) = taken(HISTORY[0], *HISTORY[2:])

    assert (entry.counts.missing, gap.missing, gap.seq, gap.rolled_back) == (1, 1, 3, False)
    assert told(decisions) == [("fired", 10, 0), ("resolved", 35, 0)]


def test_an_epoch_that_does_not_begin_at_one_is_a_gap() -> None:
    assert [gap.missing for gap in taken(numbered(3, tick(0)))[2]] == [2]
    assert [gap.missing for gap in taken(*HISTORY, numbered(4, tick(60), "f"))[2]] == [3]
    assert taken(*HISTORY, numbered(1, tick(60), "f"))[2] == []


def test_a_gap_is_named_the_same_by_whoever_notices_it() -> None:
    first, second = taken(*HISTORY[1:])[2], taken(*HISTORY[1:])[2]

    assert first == second
    digest = hashlib.sha256(b"home\x1ftransitions\x1fe\x1f2").hexdigest()
    assert first[0].id == digest[:32]


def test_a_spool_that_was_rolled_back_is_raised_and_its_lines_not_decided_again() -> None:
    again = [numbered(seq, event, run="r2") for seq, event in enumerate(OUTAGE[1:], 2)]
    later = numbered(5, transition(100, GRID, INVERTER), run="r2")
    entry, decisions, (gap,) = taken(*HISTORY, *again, later, numbered(6, tick(120), run="r2"))

    assert (gap.seq, gap.missing, gap.rolled_back) == (2, 0, True)
    assert (entry.seq, entry.counts.rollbacks, entry.counts.behind, entry.counts.missing) == (
        6,
        1,
        3,
        0,
    )
    assert told(decisions) == [("fired", 10, 0), ("resolved", 35, 0), ("fired", 110, 0)]


def test_a_new_spool_tells_nothing_of_its_backlog_again() -> None:
    again = [numbered(seq, e, "f", "r2", backlog=True) for seq, e in enumerate(OUTAGE, 1)]
    newer = numbered(5, transition(100, GRID, INVERTER), "f", "r2", backlog=True)
    entry, decisions, gaps = taken(*HISTORY, *again, newer, numbered(6, tick(120), "f", "r2"))

    assert (entry.counts.behind, entry.epoch, entry.horizon, gaps) == (4, "f", None, [])
    assert told(decisions) == [("fired", 10, 0), ("resolved", 35, 0), ("fired", 110, 0)]


def test_the_backlog_of_a_device_nobody_knew_is_decided() -> None:
    events = [numbered(seq, event, backlog=True) for seq, event in enumerate(OUTAGE, 1)]

    assert taken(*events)[1] == taken(*HISTORY)[1]


def test_what_is_old_and_no_backlog_acts_at_the_time_of_the_state() -> None:
    late = numbered(1, transition(5, GRID, INVERTER), "f", "r2")
    entry, decisions, _ = taken(*HISTORY, late, numbered(2, tick(70), "f", "r2"))

    assert (entry.counts.late, entry.counts.behind) == (1, 0)
    assert told(decisions)[2:] == [("suppressed", 60, 1), ("fired", 70, 1)]


def test_eight_runs_are_remembered() -> None:
    events = [numbered(seq, tick(seq), run=f"r{seq}") for seq in range(1, 10)]
    entry, _, _ = taken(*events)

    assert entry.runs == tuple(f"r{seq}" for seq in range(2, 10))
    assert taken(events[1], entry=entry)[0].counts.duplicates == 1
    assert taken(events[0], entry=entry)[0].counts.rollbacks == 1


@pytest.mark.parametrize("second", [-2 * 10**9, 31 * 10**9])
def test_a_time_that_cannot_be_is_refused(second: float) -> None:
    with pytest.raises(OutOfRangeError, match="not between 1970 and 2999"):
        taken(tick(second))
    with pytest.raises(OutOfRangeError):
        taken(clock(0, 0, second, 0))


def test_a_clock_cannot_be_set_on_and_on() -> None:
    step = clock(0, 0, 900 * 365 * 86_400, 0)
    entry, _ = take(BOOK, Entry(), numbered(1, step), 0)
    with pytest.raises(OutOfRangeError):  # and never an overflow
        take(BOOK, entry, numbered(2, step), 0)


def test_a_clock_that_was_behind_moves_the_hold_and_keeps_the_episodes_name() -> None:
    wrong = numbered(1, transition(0, GRID, INVERTER))
    entry, decisions, _ = taken(
        wrong, numbered(2, clock(1_004, 4, 1_004, 0)), numbered(3, tick(1_009)),
    )  # fmt: skip
    assert decisions == []
    _, (fired,), _ = taken(numbered(4, tick(1_010)), entry=entry)

    assert (fired.at, fired.episode) == (at(1_010), at(0))


def test_deadlines_of_the_wrong_clock_act_before_it_is_set() -> None:
    _, decisions, _ = taken(HISTORY[0], numbered(2, clock(-86, 14, -86, 0)))

    assert told(decisions) == [("fired", 10, 0)]


def test_what_was_set_before_the_wrong_clock_stays() -> None:
    # The clock stood at 12 for ten minutes before anything was stamped with it.
    entry, _, _ = taken(HISTORY[0], numbered(2, tick(8)), numbered(3, clock(612, 12, 612, 9)))

    assert entry.state.at == at(612)
    assert entry.state.alerts["lost"].since == at(0)


def test_a_horizon_of_the_wrong_clock_moves_with_it() -> None:
    wrong = numbered(1, context(10**9, GRID))
    rolled = numbered(1, context(10**9, GRID), run="r2")
    step = numbered(2, clock(10, 10**9, 10, 10**9), run="r2")
    entry, decisions, _ = taken(
        wrong, rolled, step, numbered(3, transition(20, GRID, INVERTER), run="r2"),
        numbered(4, tick(40), run="r2"),
    )  # fmt: skip

    assert entry.horizon is None
    assert told(decisions) == [("fired", 30, 0)]


def test_an_instant_that_comes_twice_names_two_episodes() -> None:
    set_back = clock(100, 100, 0, 60)
    _, decisions, _ = taken(*number([*OUTAGE, tick(100), set_back, *OUTAGE]))
    first, *_, second = [each for each in decisions if each.kind == "fired"]

    assert first.id != second.id
    assert (second.episode - first.episode).total_seconds() == 1e-6


SECONDS = st.integers(0, 300)
STEPS = st.lists(st.tuples(SECONDS, st.booleans()), max_size=12)


@given(STEPS, st.integers(0, 12), st.integers(-10_000, 10_000))
def test_a_wrong_clock_that_is_set_changes_no_instant_after_it(
    steps: list[tuple[int, bool]], wrong: int, offset: int
) -> None:
    ordered = sorted(steps, key=lambda step: step[0])
    right = [context(10_000 + second, GRID if grid else INVERTER) for second, grid in ordered]
    wrong = min(wrong, len(right))
    seen: list[Any] = [shifted(each, offset) for each in right[:wrong]]
    set_at = 10_000 + (ordered[wrong - 1][0] if wrong else 0)
    seen += [clock(set_at, set_at + offset, set_at, 10_000 + offset), *right[wrong:], tick(20_000)]
    expected = taken(*number([*right, tick(20_000)]))[1]
    before = len(taken(*number(right[:wrong]))[1])
    decided = taken(*number(seen))[1]

    assert len(decided) == len(expected)
    assert told(decided[before:]) == told(expected[before:])


def number(events: list[Any]) -> list[Event]:
    return [numbered(seq, event) for seq, event in enumerate(events, 1)]


def shifted(event: Event, offset: int) -> Event:
    return msgspec.structs.replace(event, ts=event.ts + (at(offset) - at(0)))


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("entry.v*")), ids=lambda file: file.name)
def test_a_state_of_every_version_is_read(file: Path) -> None:
    expected, _, _ = taken(HISTORY[0], numbered(2, tick(20)), numbered(2, tick(20)))
    if "v1" in file.name:  # it knew no runs
        expected = msgspec.structs.replace(expected, runs=())
    if file.suffix == ".json":  # those kept no next deadline: the next event looks for it
        state = msgspec.structs.replace(expected.state, wake=expected.state.at)
        expected = msgspec.structs.replace(expected, state=state)

    assert entries.read(file.read_bytes()) == expected


def test_the_newest_golden_state_is_what_is_written() -> None:
    newest = (GOLDEN / "entry.v4.msgpack").read_bytes()

    assert entries.written(entries.read(newest)) == newest


def test_a_state_of_the_first_version_takes_a_copy_for_a_copy() -> None:
    old = entries.read((GOLDEN / "entry.v1.json").read_bytes())
    entry, decisions, gaps = taken(HISTORY[0], *HISTORY[2:], entry=old)

    assert (entry.counts.duplicates, entry.counts.rollbacks, gaps) == (2, 0, [])
    assert told(decisions) == [("resolved", 35, 0)]


def test_a_state_from_the_future_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        entries.read(b"[3]")
    with pytest.raises(msgspec.ValidationError):
        entries.read(b"\x91\x05")
