"""The core against the second, naïve implementation: every short history, and drawn long ones."""

import pytest
from hypothesis import given

from schemas.decision import Decision
from schemas.events import Event
from tables.fold import Policies, Policy, State, fold
from tables.rules import Rule
from tests import naive
from tests.events import GRID, INVERTER, decided, rule, tick, transition
from tests.tables.test_laws import RULES, histories

WHEN = 'stream="transitions"\nwhen={field="source",not_equals="grid"}\n'
SMALL = (
    rule(f'name="plain"\n{WHEN}for="2s"\nclear_for="1s"\nreset="4s"'),
    rule(f'name="at_once"\n{WHEN}for="0s"\nclear_for="0s"\nreset="3s"'),
    rule(f'name="slow"\n{WHEN}for="1s"\nclear_for="3s"\nreset="2s"'),
    rule(f'name="pulse"\n{WHEN}for="0s"\nreset="2s"\npulse=true'),
    rule(f'name="needy"\n{WHEN}for="1s"\nclear_for="0s"\nreset="0s"\nneeds="grid"'),
)
GAPS = (0, 1, 2)
LENGTH = 6
LAST = tick(99)


def events_at(second: int) -> tuple[Event, Event]:
    return transition(second, INVERTER, INVERTER), transition(second, GRID, GRID)


def explore(
    policy: Policy, second: int, history: list[Event], state: State, decisions: list[Decision]
) -> int:
    """Compare both on ``history`` and on all that begin like it; return how many there were."""
    seen = decisions + fold(policy, state, LAST)[1]
    seen.sort(key=lambda decision: (decision.at, decision.rule))
    assert seen == naive.decisions(SMALL, "home", "transitions", [*history, LAST])
    explored = 1
    if len(history) < LENGTH:
        for gap in GAPS if history else (0,):
            for event in events_at(second + gap):
                after, more = fold(policy, state, event)
                longer = [*history, event]
                explored += explore(policy, second + gap, longer, after, decisions + more)
    return explored


def test_every_short_history_is_decided_as_naively() -> None:
    policy = Policies(SMALL, "transitions").of("home")

    explored = explore(policy, 0, [], State(), [])

    assert explored == 1 + sum(2**length * len(GAPS) ** (length - 1) for length in range(1, 7))


@given(histories())
def test_a_long_history_is_decided_as_naively(history: tuple[str, list[Event]]) -> None:
    stream, events = history
    seen = sorted(decided(RULES, stream, *events), key=lambda each: (each.at, each.rule))

    assert seen == naive.decisions(RULES, "home", stream, events)


@pytest.mark.parametrize("each", SMALL, ids=lambda each: each.name)
def test_every_small_rule_is_reached(each: Rule) -> None:
    lost, back = events_at(0)

    assert naive.decisions((each,), "home", "transitions", [back, lost, LAST])
