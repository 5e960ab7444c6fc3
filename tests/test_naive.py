"""The naive implementation itself: every arrow of the picture, with instants worked out by hand.

Times are seconds. The rule of these tests: ``for`` 120, ``clear_for`` 60, ``reset`` 600.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.events import Context, Reading, Source, SupplyEvent, Tick, Transition
from tables.rules import Rule, parse
from tests import naive

START = datetime(2024, 1, 1, tzinfo=UTC)
BLANK: dict[str, Any] = {"device": "d", "epoch": "e", "seq": 1, "run": "0", "online": None}
GRID, INVERTER, GENERATOR = Source.GRID, Source.INVERTER, Source.GENERATOR

Said = list[tuple[str, int, int, int]]


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def rule(extra: str = "", when: str = '{ field = "source", not_equals = "grid" }') -> Rule:
    base = {"for": '"120s"', "clear_for": '"60s"', "reset": '"600s"', "stream": '"transitions"'}
    given = {line.partition(" = ")[0] for line in extra.splitlines()}
    lines = [f"{key} = {value}" for key, value in base.items() if key not in given]
    text = "\n".join(["[[rule]]", 'name = "r"', f"when = {when}", *lines, extra])
    return parse(text, "rules.toml")[0]


def moved(second: float, to: Source, from_: Source = Source.SOLAR, **context: Any) -> Transition:
    context = {"source": to, "in_window": None, "due": (), **context}
    return Transition(**BLANK | context, ts=at(second), line=1, from_=from_, to=to)


def tick(second: float) -> Tick:
    return Tick(**BLANK, ts=at(second), source=None, in_window=None, due=())


def reading(second: float, source: Source | None, power_w: float, **what: Any) -> Reading:
    what = {"energy_wh": 0.0, **what}
    context = {"source": source, "in_window": None, "due": ()}
    return Reading(**BLANK | context, ts=at(second), line=1, power_w=power_w, **what)


def supply(*steps: str) -> list[SupplyEvent]:
    """Return events from ``0+`` (lost at 0), ``9-`` (grid back at 9), ``99`` (a tick)."""
    turns = {"+": INVERTER, "-": GRID}
    return [
        moved(float(step[:-1]), turns[step[-1]]) if step[-1] in turns else tick(float(step))
        for step in steps
    ]


def history(rule: Rule, *events: Any) -> Said:
    """Return (kind, at, episode, suppressed) of each decision."""
    return [
        (
            decision.kind.value,
            round((decision.at - START).total_seconds()),
            round((decision.episode - START).total_seconds()),
            decision.suppressed,
        )
        for decision in naive.decisions((rule,), "d", rule.stream, events)
    ]


def test_a_flicker_shorter_than_the_hold_says_nothing() -> None:
    assert history(rule(), *supply("0+", "119-", "999")) == []


def test_a_hold_is_inclusive_and_the_episode_begins_with_it() -> None:
    seen = history(rule(), *supply("0+", "120-", "200+", "210-", "999"))

    assert seen == [("fired", 120, 0, 0), ("resolved", 180, 0, 0)]


def test_what_lies_beyond_the_last_event_is_not_decided() -> None:
    assert history(rule(), *supply("0+", "119")) == []
    assert history(rule(), *supply("0+", "120")) == [("fired", 120, 0, 0)]
    assert history(rule(), *supply("0+", "200-", "259")) == [("fired", 120, 0, 0)]


def test_back_before_clear_for_goes_on_and_at_clear_for_is_a_new_episode() -> None:
    within = history(rule(), *supply("0+", "200-", "259+", "300-", "999"))
    exactly = history(rule(), *supply("0+", "200-", "260+", "380"))

    assert within == [("fired", 120, 0, 0), ("resolved", 360, 0, 0)]
    assert exactly == [("fired", 120, 0, 0), ("resolved", 260, 0, 0), ("suppressed", 380, 260, 1)]


def test_suppressed_episodes_resolve_silently_and_are_counted_in_the_next_message() -> None:
    events = supply("0+", "130-", "200+", "330-", "400+", "530-", "700+", "820-", "999")

    assert history(rule(), *events) == [
        ("fired", 120, 0, 0),
        ("resolved", 190, 0, 0),
        ("suppressed", 320, 200, 1),
        ("suppressed_resolved", 390, 200, 1),
        ("suppressed", 520, 400, 2),
        ("suppressed_resolved", 590, 400, 2),
        ("fired", 820, 700, 2),
        ("resolved", 880, 700, 0),
    ]


def test_an_untold_episode_is_told_when_the_reset_comes() -> None:
    events = supply("0+", "130-", "300+", "720-", "999")

    assert history(rule(), *events) == [
        ("fired", 120, 0, 0),
        ("resolved", 190, 0, 0),
        ("suppressed", 420, 300, 1),
        ("fired", 720, 300, 1),
        ("resolved", 780, 300, 0),
    ]


def test_a_reset_that_comes_while_clearing_waits_for_the_return_or_for_ever() -> None:
    returned = history(rule(), *supply("0+", "130-", "300+", "719-", "750+", "1349"))
    never = history(rule(), *supply("0+", "130-", "300+", "719-", "999"))

    assert returned[3:] == [("fired", 750, 300, 1)]
    assert never[3:] == [("suppressed_resolved", 779, 300, 1)]


def test_a_repeat_comes_at_each_reset_and_counts_from_a_late_one() -> None:
    seen = history(rule("repeat = true"), *supply("0+", "700-", "730+", "1400-", "9999"))

    assert seen == [
        ("fired", 120, 0, 0),
        ("repeated", 730, 0, 0),
        ("repeated", 1330, 0, 0),
        ("resolved", 1460, 0, 0),
    ]


def test_without_holds_two_episodes_may_begin_at_one_instant_and_have_their_own_ids() -> None:
    eager = rule('for = "0s"\nclear_for = "0s"\nreset = "0s"')
    events = supply("5+", "5-", "5+", "5-")

    assert history(eager, *events) == [("fired", 5, 5, 0), ("resolved", 5, 5, 0)] * 2
    named = [
        f"d\x1fr\x1f1704067205000000\x1f{end}".encode() for end in ("fired\x1f0", "fired\x1f1")
    ]
    fired = naive.decisions((eager,), "d", "transitions", events)[::2]
    assert [each.id for each in fired] == [hashlib.sha256(name).hexdigest()[:32] for name in named]


def test_an_event_from_the_past_acts_now() -> None:
    seen = history(rule(), *supply("100+", "300", "50-", "999"))

    assert seen == [("fired", 220, 100, 0), ("resolved", 360, 100, 0)]


def test_a_rule_waits_for_the_source_it_needs() -> None:
    needy = rule('needs = "grid"')
    unmet = history(needy, moved(0, INVERTER, GENERATOR), tick(900))
    met = history(needy, moved(0, INVERTER, GENERATOR), moved(10, INVERTER, GRID), tick(900))

    assert unmet == []
    assert met == [("fired", 130, 10, 0)]


def test_a_pulse_is_an_episode_at_its_event() -> None:
    pulse = rule('pulse = true\nfor = "0s"')
    events = supply("0+", "10+", "20-", "600+", "700+", "1199")

    assert history(pulse, *events) == [
        ("fired", 0, 0, 0),
        ("suppressed", 10, 10, 1),
        ("fired", 600, 600, 1),
        ("suppressed", 700, 700, 1),
    ]


def test_between_when_and_clear_when_the_signal_stays() -> None:
    tired = rule(
        'stream = "probes"\nfor = "0s"\nclear_when = { field = "soc_pct", above = 30 }',
        '{ field = "soc_pct", below = 20 }',
    )
    levels = {0: 25.0, 10: 19.0, 100: 30.0, 200: None, 300: 31.0}
    events = [reading(second, INVERTER, 1, soc_pct=level) for second, level in levels.items()]

    assert history(tired, *events, tick(400)) == [("fired", 10, 10, 0), ("resolved", 360, 10, 0)]


def test_drained_counts_the_first_reading_and_starts_again_on_the_inverter() -> None:
    draining = rule('stream = "probes"\nfor = "0s"', '{ field = "drained_wh", above = 2 }')
    events = [
        reading(0, None, 500, energy_wh=9.0),
        reading(10, INVERTER, 500, energy_wh=1.5),
        reading(20, INVERTER, 500, energy_wh=0.5),
        reading(30, INVERTER, 500, energy_wh=0.0006),
        reading(40, GRID, 500, energy_wh=7.0),
        reading(50, INVERTER, 500, energy_wh=2.0),
    ]
    decided = naive.decisions((draining,), "d", "probes", [*events, tick(100)])

    assert [(each.kind.value, each.at) for each in decided] == [
        ("fired", at(30)),
        ("resolved", at(100)),
    ]
    cause = {"drained_wh": 2.001, "due": (), "in_window": None, "source": "inverter"}
    assert decided[0].cause == cause
    assert list(decided[0].cause) == sorted(cause)


def test_power_is_nothing_on_another_source_and_until_the_next_reading() -> None:
    loaded = rule('stream = "probes"\nfor = "0s"', '{ field = "power_w", above = 100 }')
    context = {"source": INVERTER, "in_window": None, "due": ()}
    events = [
        reading(0, None, 500),
        reading(10, GRID, 500),
        Context(**BLANK | context, ts=at(100)),
        reading(200, INVERTER, 500),
    ]

    assert history(loaded, *events, tick(300)) == [
        ("fired", 0, 0, 0),
        ("resolved", 70, 0, 0),
        ("suppressed", 200, 200, 1),
    ]


def test_no_window_is_not_outside_it_and_unknown_parts_keep_the_signal() -> None:
    outside = rule("", '{ field = "in_window", equals = false }')
    windowless = history(outside, moved(0, GENERATOR), tick(900))
    events = (moved(0, GENERATOR, in_window=False), moved(10, GRID, source=None), tick(900))

    assert windowless == []
    assert history(outside, *events) == [("fired", 120, 0, 0)]
