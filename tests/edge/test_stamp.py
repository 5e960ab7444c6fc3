"""Numbers and context: each stream knows all it needs. Times are seconds from a Monday's start."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from edge.merge import merged
from edge.parse import ParsedLine
from edge.stamp import Stamped, Stamper, State
from schemas.events import Source
from tests.edge.logs import active, at, reading, transition, window

HOUR = 3600
START_OF_CLOCKS = datetime(1970, 1, 1, tzinfo=UTC)
GENERATOR, GRID, INVERTER = Source.GENERATOR, Source.GRID, Source.INVERTER


def stamper(state: State | None = None) -> Stamper:
    return Stamper("home", "00000001", state or State(epoch="e"))


def stamped(events: list[Stamped]) -> list[tuple[Any, ...]]:
    """Return stream, kind, second, seq and context of each event."""
    return [
        (
            stream,
            type(event).__name__,
            (event.ts - at(0)).total_seconds(),
            event.seq,
            event.source,
            event.in_window,
            event.due,
        )
        for stream, event in events
    ]


def told(*lines: ParsedLine, until: float | None = None) -> list[tuple[Any, ...]]:
    fold, events = stamper(), list[Stamped]()
    for counted_at, line in merged(*([line] for line in lines)):
        events += fold.line(line, counted_at)
    if until is not None:
        events += fold.advance(at(until))
    return stamped(events)


def test_a_transition_carries_the_context_after_it_and_tells_the_probes() -> None:
    assert told(transition(1, "inverter")) == [
        ("transitions", "Transition", 1, 1, INVERTER, None, ()),
        ("probes", "Context", 1, 1, INVERTER, None, ()),
    ]


def test_a_transition_to_where_it_was_tells_the_probes_nothing() -> None:
    assert told(transition(1, "grid"), transition(2, "grid"))[2:] == [
        ("transitions", "Transition", 2, 2, GRID, None, ()),
    ]


def test_a_reading_before_any_transition_has_no_source() -> None:
    assert told(reading(1)) == [("probes", "Reading", 1, 1, None, None, ())]


def test_a_window_opening_and_closing_is_told_to_both_streams_at_its_instant() -> None:
    seen = told(
        window(0, "generator", "01:00", "02:00"),
        transition(1, "generator"),
        reading(3 * HOUR),
    )

    assert seen == [
        ("windows", "Window", 0, 1, None, None, ()),
        ("transitions", "Transition", 1, 1, GENERATOR, False, ()),
        ("probes", "Context", 1, 1, GENERATOR, False, ()),
        ("transitions", "Context", HOUR, 2, GENERATOR, True, (GENERATOR,)),
        ("probes", "Context", HOUR, 2, GENERATOR, True, (GENERATOR,)),
        ("transitions", "Context", 2 * HOUR, 3, GENERATOR, False, ()),
        ("probes", "Context", 2 * HOUR, 3, GENERATOR, False, ()),
        ("probes", "Reading", 3 * HOUR, 4, GENERATOR, False, ()),
    ]


def test_an_opening_goes_before_a_transition_at_its_instant() -> None:
    seen = told(window(0, "generator", "01:00", "02:00"), transition(HOUR, "generator"))

    assert [(kind, due) for _, kind, _, _, _, _, due in seen] == [
        ("Window", ()),
        ("Context", (GENERATOR,)),
        ("Context", (GENERATOR,)),
        ("Transition", (GENERATOR,)),
        ("Context", (GENERATOR,)),
    ]


def test_window_lines_of_one_instant_hold_together_without_a_flicker() -> None:
    seen = told(
        window(0, "generator", "00:00", "00:30"),
        window(60, "generator", "05:00", "06:00"),
        window(60, "generator", "00:00", "00:40"),
        until=60,
    )

    assert [(kind, second) for _, kind, second, *_ in seen] == [
        ("Window", 0),
        ("Context", 0),
        ("Context", 0),
        ("Window", 60),
        ("Window", 60),
    ]


def test_a_newer_window_replaces_all_of_its_source() -> None:
    seen = told(
        window(0, "generator", "00:00", "00:30"),
        window(0, "generator", "01:00", "02:00"),
        window(60, "generator", "05:00", "06:00"),
        until=4 * HOUR,
    )

    assert [event for event in seen if event[1] == "Context"][2:] == [
        ("transitions", "Context", 60, 2, None, None, ()),
        ("probes", "Context", 60, 2, None, None, ()),
    ]


def test_half_a_century_of_openings_is_told_as_one_change() -> None:
    fold = stamper()
    fold.line(window(-56 * 366 * 24 * HOUR, "generator", "00:30", "02:00"), START_OF_CLOCKS)
    seen = stamped(fold.advance(at(HOUR)))

    assert seen == [
        ("transitions", "Context", HOUR, 1, None, None, (GENERATOR,)),
        ("probes", "Context", HOUR, 1, None, None, (GENERATOR,)),
    ]
    assert fold.state.look_at == at(2 * HOUR)


def in_force(fold: Stamper) -> list[tuple[str, str]]:
    return [(each.from_, each.to) for each in fold.state.windows[GENERATOR].openings]


def test_windows_written_while_the_clock_is_behind_replace_those_before() -> None:
    fold = stamper()
    fold.line(window(100, "generator", "06:00", "09:00"), at(100))
    for boot in range(3):
        fold.line(window(boot, "generator", "18:00", "20:00"), at(100))
        fold.line(window(boot, "generator", "21:00", "23:00"), at(100))

    assert in_force(fold) == [("18:00", "20:00"), ("21:00", "23:00")]


def test_a_window_that_stands_twice_is_kept_once() -> None:
    fold = stamper()
    for _ in range(3):
        fold.line(window(5, "generator", "06:00", "09:00"), at(5))

    assert in_force(fold) == [("06:00", "09:00")]


def test_an_active_line_has_a_stream_of_its_own() -> None:
    assert told(active(1)) == [("active", "Active", 1, 1, None, None, ())]


def test_a_tick_says_first_what_opened() -> None:
    fold = stamper()
    fold.line(window(0, "generator", "01:00", "02:00"), at(0))

    seen = stamped(fold.tick("probes", at(HOUR)))

    assert seen == [
        ("transitions", "Context", HOUR, 1, None, None, (GENERATOR,)),
        ("probes", "Context", HOUR, 1, None, None, (GENERATOR,)),
        ("probes", "Tick", HOUR, 2, None, None, (GENERATOR,)),
    ]


def test_a_tick_is_never_stamped_backwards() -> None:
    fold = stamper()
    fold.line(reading(10), at(10))

    assert fold.tick("probes", at(9)) == []


def test_a_late_window_changes_the_context_now_and_not_before() -> None:
    fold = stamper()
    fold.advance(at(100))
    fold.line(window(50, "generator", "00:00", "00:30"), at(50))

    seen = stamped(fold.advance(at(101)))

    assert [(kind, second) for _, kind, second, *_ in seen] == [("Context", 100)] * 2


def test_a_fold_goes_on_from_its_stored_state() -> None:
    lines: list[ParsedLine] = [
        window(0, "generator", "01:00", "02:00"),
        window(0, "solar", "00:00", "05:00"),
        transition(1, "generator"),
        reading(HOUR),
        reading(3 * HOUR),
    ]
    whole, state, parts = stamper(), State(epoch="e"), list[Stamped]()

    for line in lines:
        state = msgspec.json.decode(msgspec.json.encode(state), type=State)
        parts += stamper(state).line(line, line.at)

    assert parts == [event for line in lines for event in whole.line(line, line.at)]
