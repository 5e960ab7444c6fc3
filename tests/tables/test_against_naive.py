"""The core against the second, naïve implementation: every short history, and drawn long ones."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given

from schemas.decision import Decision
from schemas.events import Event
from tables.fold import State, fold
from tables.policy import Policies
from tables.rules import Rule
from tests import naive
from tests.events import GENERATOR, GRID, INVERTER, decided, rule, tick, transition
from tests.tables.test_laws import RULES, histories

LOST = 'when={field="source",not_equals="grid"}\n'
BETWEEN = 'when={field="source",equals="inverter"}\nclear_when={field="source",equals="grid"}\n'
SMALL = tuple(
    rule(f'name="{name}"\nstream="transitions"\n{text}')
    for name, text in {
        "plain": f'{LOST}for="60s"\nclear_for="30s"\nreset="2m"',
        "at_once": f'{LOST}for="0s"\nclear_for="0s"\nreset="90s"',
        "slow": f'{LOST}for="30s"\nclear_for="90s"\nreset="60s"',
        "pulse": f'{LOST}for="0s"\nreset="60s"\npulse=true',
        "needy": f'{LOST}for="30s"\nclear_for="0s"\nreset="0s"\nneeds="grid"',
        "again": f'{LOST}for="30s"\nclear_for="30s"\nreset="60s"\nrepeat=true',
        "between": f'{BETWEEN}for="30s"\nclear_for="30s"\nreset="60s"',
    }.items()
)
GAPS = (0, 30, 60)
LAST = tick(600)
Alphabet = Callable[[int], Sequence[Event]]


def two(second: int) -> Sequence[Event]:
    """Return the condition true, and false."""
    return transition(second, INVERTER, INVERTER), transition(second, GRID, GRID)


def four(second: int) -> Sequence[Event]:
    """Return the same, what lies between, and a tick."""
    return *two(second), transition(second, GENERATOR, GENERATOR), tick(second)


class Exploration:
    """Compares both on every history up to a length. count: how many there were."""

    def __init__(self, alphabet: Alphabet, length: int) -> None:
        self.count = 0
        self._alphabet = alphabet
        self._length = length
        self._policy = Policies(SMALL, "transitions").of("home")

    def run(
        self, second: int, history: list[Event], state: State, decisions: list[Decision]
    ) -> None:
        """Compare on ``history`` and on all that begin like it."""
        seen = decisions + fold(self._policy, state, LAST)[1]
        seen.sort(key=lambda decision: (decision.at, decision.rule))
        assert seen == naive.decisions(SMALL, "home", "transitions", [*history, LAST])
        self.count += 1
        if len(history) < self._length:
            for gap in GAPS if history else (0,):
                for event in self._alphabet(second + gap):
                    after, more = fold(self._policy, state, event)
                    self.run(second + gap, [*history, event], after, decisions + more)


@pytest.mark.parametrize(("alphabet", "letters", "length"), [(two, 2, 6), (four, 4, 4)])
def test_every_short_history_is_decided_as_naively(
    alphabet: Alphabet, letters: int, length: int
) -> None:
    exploration = Exploration(alphabet, length)
    exploration.run(0, [], State(), [])

    every = (letters**n * len(GAPS) ** (n - 1) for n in range(1, length + 1))
    assert exploration.count == 1 + sum(every)


@given(histories())
def test_a_long_history_is_decided_as_naively(history: tuple[str, list[Event]]) -> None:
    stream, events = history
    seen = sorted(decided(RULES, stream, *events), key=lambda each: (each.at, each.rule))

    assert seen == naive.decisions(RULES, "home", stream, events)


@pytest.mark.parametrize("each", SMALL, ids=lambda each: each.name)
def test_every_small_rule_is_reached(each: Rule) -> None:
    lost, back = two(0)

    assert naive.decisions((each,), "home", "transitions", [back, lost, LAST])
