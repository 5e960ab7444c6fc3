"""Boots with and without the time, and what is told once it is known. Times are seconds."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import clock as machine
from edge.clock import TOLERANCE, Carried, Clock, Reading, Step, StreamClock, synchronised

NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)
AGES_AGO = datetime(1970, 1, 1, 0, 0, 9, tzinfo=UTC)


def reading(
    boot_s: float, wall: datetime, *, synchronised: bool = False, boot: str = "one"
) -> Reading:
    return Reading(boot_s, wall, synchronised, boot)


def later(seconds: float, since: datetime = NOW) -> datetime:
    return since + timedelta(seconds=seconds)


def restarted(clock: StreamClock, now: Reading, last: datetime) -> StreamClock:
    """Return the clock of the next run, from what is on the disk."""
    kept = msgspec.json.encode(clock.state)
    return StreamClock(now, last, msgspec.json.decode(kept, type=Carried))


def test_a_right_clock_runs_on() -> None:
    clock = StreamClock(reading(5, NOW), later(-60))

    assert clock.now(reading(15, later(10))) == later(10)
    assert clock.look(reading(15, later(11.9))) is None
    assert not clock.carried


@pytest.mark.parametrize("seconds", [3_600, -3_600, 3, -3])
@pytest.mark.parametrize("right", [True, False])
def test_a_clock_that_is_set_is_told_from_the_start_of_the_wrong_one(
    seconds: float, right: bool
) -> None:
    clock = StreamClock(reading(5, NOW), None)
    step = clock.look(reading(105, later(100 + seconds), synchronised=right))

    assert step == Step(later(100), later(100 + seconds), NOW)
    assert clock.now(reading(106, AGES_AGO)) == later(101 + seconds)
    assert clock.look(reading(107, later(102 + seconds))) is None


def test_every_step_is_told_from_the_one_before() -> None:
    clock = StreamClock(reading(0, NOW), None)
    steps = [clock.look(reading(10, later(110))), clock.look(reading(20, later(20)))]

    assert steps == [Step(later(10), later(110), NOW), Step(later(120), later(20), later(110))]


@pytest.mark.parametrize("apart_s", [2.0, -2.0])
def test_two_seconds_are_no_step(apart_s: float) -> None:
    clock = StreamClock(reading(0, NOW), None)

    assert clock.look(reading(10, later(10 + apart_s), synchronised=True)) is None
    assert clock.now(reading(10, NOW)) == later(10)


def test_the_time_of_a_suspend_has_passed() -> None:
    clock = StreamClock(reading(5, NOW), None)

    assert clock.look(reading(5 + 8 * 3_600, later(8 * 3_600))) is None
    assert clock.now(reading(5 + 8 * 3_600, AGES_AGO)) == later(8 * 3_600)


@pytest.mark.parametrize("wall", [AGES_AGO, later(-3_600), later(-0.000001)])
def test_a_boot_behind_the_last_stamp_goes_on_from_it(wall: datetime) -> None:
    clock = StreamClock(reading(1, wall), NOW)

    assert clock.look(reading(61, later(59.9, wall))) is None
    assert clock.now(reading(61, wall)) == later(60)
    assert clock.carried


def test_a_clock_that_got_ahead_is_believed() -> None:
    clock = StreamClock(reading(1, AGES_AGO), NOW)
    step = clock.look(reading(101, later(5_000)))

    assert step == Step(later(100), later(5_000), NOW)
    assert not clock.carried


@pytest.mark.parametrize("seconds", [-500, 500])
def test_a_synchronised_clock_is_believed_also_when_it_is_behind(seconds: float) -> None:
    clock = StreamClock(reading(1, AGES_AGO), NOW)
    unsure = clock.look(reading(6, later(-505)))
    step = clock.look(reading(11, later(seconds), synchronised=True))

    assert [unsure, step] == [None, Step(later(10), later(seconds), NOW)]
    assert not clock.carried


def test_a_boot_with_a_synchronised_clock_behind_the_last_stamp_tells_the_step() -> None:
    right = reading(1, later(-500), synchronised=True)
    clock = StreamClock(right, NOW)

    assert clock.look(right) == Step(NOW, later(-500), NOW)
    assert clock.now(reading(1, AGES_AGO)) == later(-500)
    assert not clock.carried


def test_a_boot_that_was_ahead_is_blamed_by_one_that_has_the_time() -> None:
    ahead = StreamClock(reading(1, later(3_600)), None)
    right = reading(2, later(90), synchronised=True, boot="two")
    again = restarted(ahead, right, later(3_660))

    assert again.look(right) == Step(later(3_660), later(90), later(3_600))


def test_the_network_is_believed_until_there_is_something_better() -> None:
    clock = StreamClock(reading(1, AGES_AGO), NOW)
    steps = [
        clock.set(reading(11, later(10, AGES_AGO)), later(900)),
        clock.set(reading(12, later(11, AGES_AGO)), later(902)),
        clock.look(reading(13, later(12, AGES_AGO))),
        clock.look(reading(14, later(880), synchronised=True)),
        clock.set(reading(15, later(881)), later(904)),
    ]

    to_network = Step(later(10), later(900), NOW)
    to_kernel = Step(later(903), later(880), later(900))
    assert steps == [to_network, None, None, to_kernel, None]


def test_the_network_is_not_asked_where_the_kernel_knows_better() -> None:
    right = StreamClock(reading(1, NOW), later(-5))
    lost = StreamClock(reading(1, AGES_AGO), NOW)

    assert right.set(reading(11, later(10)), later(900)) is None
    assert lost.set(reading(11, later(10), synchronised=True), later(900)) is None


def test_what_a_run_before_stamped_wrongly_is_told_after_a_restart() -> None:
    first = StreamClock(reading(9, AGES_AGO), None)
    again = restarted(first, reading(70, later(61, AGES_AGO)), later(50, AGES_AGO))

    assert again.look(reading(80, NOW)) == Step(later(71, AGES_AGO), NOW, AGES_AGO)


def test_a_clock_that_was_set_while_the_program_was_down_is_told() -> None:
    first = StreamClock(reading(9, AGES_AGO), None)
    again = restarted(first, reading(70, NOW, synchronised=True), later(50, AGES_AGO))

    assert again.look(reading(71, later(1))) == Step(later(62, AGES_AGO), later(1), AGES_AGO)


def test_the_time_while_the_program_was_down_has_passed() -> None:
    first = StreamClock(reading(1, AGES_AGO), NOW)
    again = restarted(first, reading(701, later(700, AGES_AGO)), later(90))

    assert again.now(reading(701, AGES_AGO)) == later(700)
    assert again.carried


@pytest.mark.parametrize(
    ("boot_s", "before", "after"), [(701, "one", "two"), (701, "", ""), (0.5, "one", "one")]
)
def test_another_boot_goes_on_from_the_last_stamp(boot_s: float, before: str, after: str) -> None:
    first = StreamClock(reading(1, AGES_AGO, boot=before), NOW)
    again = restarted(first, reading(boot_s, AGES_AGO, boot=after), later(90))

    assert again.now(reading(boot_s + 5, AGES_AGO, boot=after)) == later(95)


def test_a_wrong_clock_is_wrong_from_the_boot_that_began_it() -> None:
    first = StreamClock(reading(1, AGES_AGO), NOW)
    again = restarted(first, reading(2, AGES_AGO, boot="two"), later(40))
    step = again.look(reading(12, later(9_000), boot="two"))

    assert step == Step(later(50), later(9_000), NOW)


def test_a_boot_that_lost_the_time_does_not_blame_the_one_before() -> None:
    first = StreamClock(reading(1, NOW), later(-60))
    again = restarted(first, reading(2, AGES_AGO, boot="two"), later(40))
    step = again.look(reading(12, later(9_000), boot="two"))

    assert step == Step(later(50), later(9_000), later(40))


def test_a_boot_that_has_the_time_has_a_clock_of_its_own() -> None:
    first = StreamClock(reading(1, AGES_AGO), NOW)
    again = restarted(first, reading(2, later(9_000), boot="two"), later(40))
    steps = [
        again.look(reading(12, later(9_010), boot="two")),
        again.look(reading(22, later(9_120), boot="two")),
    ]

    assert steps == [None, Step(later(9_020), later(9_120), later(9_000))]


LOOKS = st.lists(
    st.tuples(
        st.floats(0.1, 1e4),
        st.one_of(st.just(0.0), st.floats(-3, 3), st.floats(-1e6, 1e6)),
        st.booleans(),
        st.booleans(),
    ),
    max_size=20,
)


@given(st.booleans(), LOOKS)
def test_time_goes_back_only_by_a_step_and_keeps_to_a_trusted_clock(
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
        assert step is None or (step.was == before and step.since <= step.was)
        assert network or clock.carried or abs(last - wall) <= TOLERANCE
        assert network or not right or not clock.carried


@given(st.booleans(), LOOKS, st.sets(st.integers(0, 19)))
def test_restarts_of_the_program_change_nothing(
    lost: bool, looks: list[tuple[float, float, bool, bool]], restarts: set[int]
) -> None:
    steady = StreamClock(reading(0, AGES_AGO if lost else NOW), NOW)
    other = restarted(steady, reading(0, NOW), NOW)
    boot_s = 0.0
    for number, (passed_s, wrong_s, right, network) in enumerate(looks):
        boot_s += passed_s
        wall = later(boot_s + wrong_s)
        seen = reading(boot_s, wall, synchronised=right)
        if number in restarts:
            other = restarted(other, seen, NOW)
        told = [each.set(seen, wall) if network else each.look(seen) for each in (steady, other)]

        assert told[0] == told[1]
        assert steady.now(seen) == other.now(seen)


def test_the_machine_has_clocks() -> None:
    one, two = Clock().read(), Clock().read()

    assert one.boot_s <= two.boot_s
    assert one.boot == two.boot
    assert synchronised() in {True, False}


def test_a_machine_that_names_no_boot_has_a_new_one_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "BOOT_ID", machine.BOOT_ID / "nowhere")
    machine.boot_id.cache_clear()
    first = Clock().read()
    monkeypatch.undo()
    machine.boot_id.cache_clear()

    assert first.boot == ""
    assert not StreamClock(first, None).state.runs_on(first)


def test_a_clock_that_was_never_set_takes_the_networks_time() -> None:
    clock = StreamClock(reading(5, AGES_AGO), None)
    unset = clock.look(reading(15, later(10, AGES_AGO)))
    step = clock.set(reading(25, later(20, AGES_AGO)), NOW)

    assert unset is None
    assert step == Step(later(20, AGES_AGO), NOW, AGES_AGO)
