"""Four logs become one order."""

from edge.merge import merged
from edge.parse import ParsedLine
from tests.edge.logs import active, at, reading, transition, window


def test_at_one_instant_windows_go_first_then_transitions_readings_and_active() -> None:
    lines: list[ParsedLine] = [
        active(1),
        reading(1),
        transition(1, "grid"),
        window(1, "grid", "01:00", "02:00"),
    ]

    order = [line for _, line in merged(*([line] for line in lines))]

    assert order == lines[::-1]


def test_a_line_counts_no_earlier_than_those_before_it_in_its_log() -> None:
    late, other = [transition(5, "inverter"), transition(2, "grid", 2)], [reading(4), reading(6)]

    order = list(merged(late, other))

    assert order == [
        (at(4), other[0]),
        (at(5), late[0]),
        (at(5), late[1]),
        (at(6), other[1]),
    ]
