"""Boots with and without the time, and what is told once it is known."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import Carried, Clock, Reading, Step, StreamClock, synchronised

NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)
AGES_AGO = datetime(1970, 1, 1, 0, 0, 9, tzinfo=UTC)


def reading(boot_s: float, wall: datetime, *, synchronised: bool = False) -> Reading:
    return Reading(boot_s, wall, synchronised)


def later(seconds: float, since: datetime = NOW) -> datetime:
    return since + timedelta(seconds=seconds)


def test_a_right_clock_runs_on() -> None:
    clock = StreamClock(reading(5, NOW), later(-60))

    assert clock.now(reading(15, later(10))) == later(10)
    assert clock.look(reading(15, later(11.9))) is None
    assert clock.state == Carried(None)


@pytest.mark.parametrize("seconds", [3_600, -3_600, 3])
def test_a_clock_that_is_set_is_told_from_the_start_of_the_wrong_one(seconds: float) -> None:
    clock = StreamClock(reading(5, NOW), None)
    step = clock.look(reading(105, later(100 + seconds)))

    assert step == Step(later(100), later(100 + seconds), NOW)
    assert clock.now(reading(106, AGES_AGO)) == later(101 + seconds)


def test_a_boot_without_the_time_goes_on_from_the_last_stamp() -> None:
    clock = StreamClock(reading(1, AGES_AGO), NOW)
    seen = [clock.look(reading(61, later(60, AGES_AGO))), clock.now(reading(61, AGES_AGO))]
    step = clock.look(reading(101, later(5_000)))

    assert seen == [None, later(60)]
    assert step == Step(later(100), later(5_000), NOW)
    assert not clock.carried


def test_a_synchronised_clock_is_believed_also_when_it_is_behind() -> None:
    clock = StreamClock(reading(1, AGES_AGO), NOW)

    assert clock.look(reading(11, later(-500), synchronised=True)) == Step(
        later(10), later(-500), NOW
    )
    assert StreamClock(reading(1, later(-500), synchronised=True), NOW).carried is False


def test_a_clock_behind_is_not_told_while_nobody_knows_better() -> None:
    clock = StreamClock(reading(1, later(-3_600)), NOW)

    assert clock.look(reading(100, later(-3_501))) is None
    assert clock.carried


def test_the_network_is_believed_when_there_is_nothing_better() -> None:
    lost = StreamClock(reading(1, AGES_AGO), NOW)
    right = StreamClock(reading(1, NOW), later(-5))

    assert lost.set(reading(11, AGES_AGO), later(900)) == Step(later(10), later(900), NOW)
    assert lost.look(reading(12, later(901))) is None
    assert right.set(reading(11, later(10)), later(900)) is None


def test_a_wrong_clock_is_known_after_a_restart() -> None:
    first = StreamClock(reading(1, AGES_AGO), NOW)
    again = StreamClock(reading(50, AGES_AGO), later(40), first.state)

    assert again.look(reading(60, later(9_000))) == Step(later(50), later(9_000), NOW)


@given(
    st.booleans(),
    st.lists(
        st.tuples(st.floats(0.1, 1e4), st.floats(-1e6, 1e6), st.booleans(), st.booleans()),
        max_size=20,
    ),
)
def test_time_goes_back_only_by_a_step(
    lost: bool, looks: list[tuple[float, float, bool, bool]]
) -> None:
    clock = StreamClock(reading(0, AGES_AGO if lost else NOW), NOW)
    boot_s, last = 0.0, clock.now(reading(0, NOW))
    for passed_s, wrong_s, right, network in looks:
        boot_s += passed_s
        wall = later(boot_s + wrong_s)
        seen = reading(boot_s, wall, synchronised=right)
        before = clock.now(seen)
        assert before >= last
        step = clock.set(seen, wall) if network else clock.look(seen)
        last = clock.now(seen)
        assert last == (step.is_ if step else before)
        assert step is None or step.was == before
        if right and not network:
            assert abs(last - wall) <= timedelta(seconds=2)


def test_the_machine_has_clocks() -> None:
    one, two = Clock().read(), Clock().read()

    assert one.boot_s <= two.boot_s
    assert synchronised() in {True, False}
