"""Events as short as tests want them. Times are seconds from START; the device is ``home``."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.decision import Decision
from schemas.events import Context, Event, Reading, Source, Tick, Transition
from tables.fold import State, fold
from tables.policy import Policies
from tables.rules import Rule, parse

START = datetime(2026, 1, 1, tzinfo=UTC)
GRID, INVERTER, GENERATOR, NONE = Source.GRID, Source.INVERTER, Source.GENERATOR, Source.NONE


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def stamp(second: float, source: Source | None, **more: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "device": "home",
        "epoch": "e",
        "seq": 1,
        "run": "r",
        "ts": at(second),
        "source": source,
        "in_window": None,
        "due": (),
        "online": None,
    }
    return fields | more


def transition(second: float, from_: Source, to: Source, **more: Any) -> Transition:
    return Transition(**stamp(second, to, **more), line=1, from_=from_, to=to)


def context(second: float, source: Source | None, **more: Any) -> Context:
    return Context(**stamp(second, source, **more))


def tick(second: float) -> Tick:
    return Tick(**stamp(second, None))


def reading(
    second: float,
    power_w: float = 0,
    energy_wh: float = 0,
    soc_pct: float | None = None,
    source: Source | None = Source.INVERTER,
) -> Reading:
    return Reading(
        **stamp(second, source), line=1, power_w=power_w, energy_wh=energy_wh, soc_pct=soc_pct
    )


def rule(text: str) -> Rule:
    (only,) = parse("[[rule]]\n" + text, "test.toml")
    return only


def decided(rules: tuple[Rule, ...], stream: str, *events: Event) -> list[Decision]:
    return run(rules, stream, State(), *events)[1]


def run(
    rules: tuple[Rule, ...], stream: str, state: State, *events: Event
) -> tuple[State, list[Decision]]:
    policies, decisions = Policies(rules, stream), list[Decision]()
    for event in events:
        state, more = fold(policies.of(event.device), state, event)
        decisions += more
    return state, decisions


def told(decisions: list[Decision]) -> list[tuple[str, float, int]]:
    """Return kind, second and suppressed count of each."""
    return [
        (str(each.kind), (each.at - START).total_seconds(), each.suppressed) for each in decisions
    ]
