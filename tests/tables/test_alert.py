"""The alert machine, an example for each arrow. Times are seconds; hold 10, clear 5, reset 100."""

import pytest

from schemas.events import Event
from tests.events import GRID, INVERTER, decided, rule, tick, told, transition

LOST = """
name = "lost"
stream = "transitions"
when = { field = "source", not_equals = "grid" }
for = "10s"
clear_for = "5s"
reset = "100s"
"""


def lost(second: float) -> Event:
    return transition(second, GRID, INVERTER)


def back(second: float) -> Event:
    return transition(second, INVERTER, GRID)


def history(*events: Event, more: str = "") -> list[tuple[str, float, int]]:
    return told(decided((rule(LOST + more),), "transitions", *events))


def test_a_flicker_says_nothing() -> None:
    assert history(lost(0), back(9), tick(500)) == []


def test_it_fires_at_the_deadline_whichever_event_revealed_it() -> None:
    assert history(lost(0), tick(47)) == [("fired", 10, 0)]


def test_a_hold_is_inclusive() -> None:
    assert history(lost(0), back(10)) == [("fired", 10, 0)]


def test_it_resolves_when_the_condition_stayed_away() -> None:
    seen = history(lost(0), back(20), tick(30))

    assert seen == [("fired", 10, 0), ("resolved", 25, 0)]


def test_the_same_episode_goes_on_when_the_condition_returns_in_time() -> None:
    seen = history(lost(0), back(20), lost(24), back(50), tick(60))

    assert seen == [("fired", 10, 0), ("resolved", 55, 0)]


def test_a_return_at_the_end_of_the_clearing_is_a_new_episode() -> None:
    seen = history(lost(0), back(20), lost(25), tick(36))

    assert seen == [("fired", 10, 0), ("resolved", 25, 0), ("suppressed", 35, 1)]


def test_a_second_episode_inside_the_reset_is_suppressed_and_counted_in_the_next_message() -> None:
    seen = history(lost(0), back(20), lost(40), back(60), tick(70), lost(200), tick(300))

    assert seen == [
        ("fired", 10, 0),
        ("resolved", 25, 0),
        ("suppressed", 50, 1),
        ("suppressed_resolved", 65, 1),
        ("fired", 210, 1),
    ]


def test_an_episode_that_begins_at_the_reset_is_told() -> None:
    seen = history(lost(0), back(20), tick(30), lost(100), tick(200))

    assert seen[-1] == ("fired", 110, 0)


def test_an_episode_not_told_is_told_when_the_reset_has_passed() -> None:
    seen = history(lost(0), back(20), lost(40), tick(300))

    assert seen == [("fired", 10, 0), ("resolved", 25, 0), ("suppressed", 50, 1), ("fired", 110, 1)]


def test_it_is_told_when_the_condition_returns_if_it_was_clearing_at_the_reset() -> None:
    seen = history(lost(0), back(20), lost(40), back(108), lost(112), tick(300))

    assert seen[-1] == ("fired", 112, 1)


def test_it_is_never_told_if_it_was_clearing_at_the_reset_and_went() -> None:
    seen = history(lost(0), back(20), lost(40), back(108), tick(300))

    assert seen[-1] == ("suppressed_resolved", 113, 1)


def test_a_told_episode_is_told_once() -> None:
    assert history(lost(0), tick(1_000)) == [("fired", 10, 0)]


def test_a_repeating_rule_tells_again_at_each_reset() -> None:
    seen = history(lost(0), tick(215), back(220), tick(400), more="repeat = true")

    assert seen == [
        ("fired", 10, 0),
        ("repeated", 110, 0),
        ("repeated", 210, 0),
        ("resolved", 225, 0),
    ]


def test_resolved_does_not_move_the_reset() -> None:
    seen = history(lost(0), back(104), lost(120), tick(200))

    assert seen == [("fired", 10, 0), ("resolved", 109, 0), ("fired", 130, 0)]


def test_without_a_hold_it_fires_at_once() -> None:
    seen = history(lost(0), more='severity = "critical"\nrepeat = false')
    zero = told(decided((rule(LOST.replace('"10s"', '"0s"')),), "transitions", lost(0)))

    assert (seen, zero) == ([], [("fired", 0, 0)])


def test_two_episodes_at_one_instant_have_two_ids() -> None:
    text = LOST.replace('"10s"', '"0s"').replace('"5s"', '"0s"').replace('"100s"', '"0s"')

    seen = decided((rule(text),), "transitions", lost(0), back(0), lost(0), back(0))

    assert [each.kind for each in seen] == ["fired", "resolved", "fired", "resolved"]
    assert len({each.id for each in seen}) == 4


def test_an_event_older_than_the_state_acts_at_the_states_time() -> None:
    assert history(tick(100), lost(50), tick(111)) == [("fired", 110, 0)]


def test_a_pulse_never_resolves_and_is_counted_inside_the_reset() -> None:
    text = LOST.replace('"10s"', '"0s"') + "pulse = true"

    seen = told(decided((rule(text),), "transitions", lost(0), lost(5), tick(50), lost(100)))

    assert seen == [("fired", 0, 0), ("suppressed", 5, 1), ("fired", 100, 1)]


@pytest.mark.parametrize("first", [lost(0), back(0)])
def test_needs_is_met_by_the_first_event_that_names_the_source(first: Event) -> None:
    seen = history(first, lost(1), tick(20), more='needs = "grid"')

    assert [kind for kind, *_ in seen] == ["fired"]


def test_a_rule_whose_need_is_unmet_says_nothing() -> None:
    assert history(lost(0), tick(20), more='needs = "solar"') == []
