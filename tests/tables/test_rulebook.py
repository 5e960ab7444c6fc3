"""Rules that change: which version an event is decided under. Times are seconds."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import handover
from schemas.decision import Decision
from schemas.events import Clock, Event
from tables import entries
from tables.entries import Entry
from tables.intake import take
from tables.rulebook import LEAD_MS, Rulebook, Version
from tables.rules import Rule
from tests.events import GRID, INVERTER, at, context, rule, stamp, tick, told, transition
from tests.tables.test_laws import TRANSITIONS

LOST_AT = transition(0, GRID, INVERTER)


def lost(hold: str, more: str = "") -> Rule:
    return rule(
        'name="lost"\nstream="transitions"\nwhen={field="source",not_equals="grid"}\n'
        f'for="{hold}"\nclear_for="5s"\nreset="60s"\n{more}'
    )


def version(number: int, second: float, rule: Rule | None, appended_ms: int = 0) -> Version:
    return Version("lost", number, at(second), appended_ms, rule)


def decided(
    base: Rule, versions: Sequence[Version], *events: Event, appended_ms: int = LEAD_MS
) -> list[Decision]:
    book, entry, decisions = Rulebook("transitions", [base], versions), Entry(), list[Decision]()
    for seq, event in enumerate(events, 1):
        numbered = msgspec.structs.replace(event, seq=seq)
        entry, more = take(book, entries.read(entries.written(entry)), numbered, appended_ms)
        decisions += handover.decided(more)
    return decisions


@pytest.mark.parametrize(
    ("before", "after", "second", "fired"),
    [
        ("10s", "60s", 5, 60),  # deadlines are computed anew
        ("60s", "10s", 30, 30),  # one that has passed by then acts there
        ("60s", "30s", 30, 30),
        ("10s", "60s", 20, 10),  # what came before it was decided under the old rule
        ("10s", "60s", 10, 60),  # at the very instant the new one holds
        ("10s", "60s", 71, 10),  # it is not yet in force
    ],
)
def test_a_version_holds_from_its_instant_on(
    before: str, after: str, second: float, fired: float
) -> None:
    decisions = decided(lost(before), [version(1, second, lost(after))], LOST_AT, tick(70))

    assert told(decisions) == [("fired", fired, 0)]


def test_a_version_holds_only_for_what_was_appended_a_minute_after_it() -> None:
    early = decided(lost("60s"), [version(1, 0, lost("10s"), 1)], LOST_AT, tick(50))

    assert early == []


def test_a_version_that_came_late_acts_at_the_time_of_the_state() -> None:
    book = Rulebook("transitions", [lost("60s")], [version(1, 0, lost("10s"), 1_000)])
    entry, _ = take(book, Entry(), LOST_AT, LEAD_MS)
    entry, none = take(book, entry, msgspec.structs.replace(tick(40), seq=2), LEAD_MS)
    _, decisions = take(book, entry, msgspec.structs.replace(tick(41), seq=3), LEAD_MS + 1_000)

    assert none == []
    assert told(handover.decided(decisions)) == [("fired", 40, 0)]


def test_the_latest_instant_wins_then_the_higher_version() -> None:
    versions = [
        version(3, 5, lost("20s")),
        version(1, 5, lost("40s")),
        version(2, 5, lost("30s")),
        version(4, 1, lost("50s")),
    ]
    decisions = decided(lost("10s"), versions, LOST_AT, tick(70))

    assert told(decisions) == [("fired", 20, 0)]


def test_a_rule_that_ends_resolves_its_episode_and_says_why() -> None:
    fired, resolved = decided(lost("10s"), [version(1, 20, None)], LOST_AT, tick(70))

    assert told([fired, resolved]) == [("fired", 10, 0), ("resolved", 20, 0)]
    assert resolved.cause == fired.cause | {"rule_changed": True}


def test_a_rule_that_ends_before_the_hold_is_over_says_nothing() -> None:
    assert decided(lost("10s"), [version(1, 5, None)], LOST_AT, tick(70)) == []


def test_a_rule_that_no_longer_names_the_device_ends_for_it() -> None:
    other = lost("10s", 'devices=["shop"]')
    decisions = decided(lost("10s"), [version(1, 20, other)], LOST_AT, tick(70))

    assert [str(each.kind) for each in decisions] == ["fired", "resolved"]


def test_a_rule_that_returns_keeps_to_its_reset() -> None:
    versions = [version(1, 20, None), version(2, 25, lost("10s"))]
    decisions = decided(lost("10s"), versions, LOST_AT, context(30, INVERTER), tick(80))

    assert told(decisions) == [
        ("fired", 10, 0), ("resolved", 20, 0), ("suppressed", 40, 1), ("fired", 70, 1),
    ]  # fmt: skip


def test_a_version_is_not_skipped_when_the_clock_is_set_past_it() -> None:
    clock = Clock(**stamp(5, None), was=at(5), is_=at(1_005), from_=at(0))
    decisions = decided(
        lost("60s"), [version(1, 500, lost("10s"))], LOST_AT, clock, tick(1_006), tick(1_010)
    )

    assert told(decisions) == [("fired", 1_010, 0)]


def test_a_version_that_the_clock_is_set_past_acts_at_the_new_time() -> None:
    clock = Clock(**stamp(20, None), was=at(20), is_=at(1_005), from_=at(20))
    decisions = decided(lost("10s"), [version(1, 500, None)], LOST_AT, clock, tick(1_006))

    assert told(decisions) == [("fired", 10, 0), ("resolved", 1_005, 0)]


def test_a_rule_that_becomes_a_pulse_ends_its_episode() -> None:
    pulse = rule(
        'name="lost"\nstream="transitions"\nwhen={field="source",not_equals="grid"}\n'
        'for="0s"\npulse=true'
    )
    decisions = decided(lost("10s"), [version(1, 30, pulse)], LOST_AT, tick(60))

    assert told(decisions) == [("fired", 10, 0), ("resolved", 30, 0)]


def test_a_version_in_force_stays_when_the_clock_is_set_back_before_it() -> None:
    clock = Clock(**stamp(30, None), was=at(30), is_=at(-970), from_=at(-1_000))
    decisions = decided(
        lost("60s"), [version(1, 20, lost("10s"))], tick(0), tick(25), clock,
        context(-960, INVERTER), tick(-900),
    )  # fmt: skip

    assert told(decisions) == [("fired", -950, 0)]


def test_a_version_that_comes_while_the_clock_is_behind_moves_no_time() -> None:
    book = Rulebook("transitions", [lost("60s")], [version(1, 0, lost("10s"), 1_000)])
    clock = Clock(**stamp(5_000, None), was=at(5_000), is_=at(2_000), from_=at(4_000))
    told_before: list[Event] = [tick(0), tick(5_000), clock, context(2_010, INVERTER)]
    entry = Entry()
    for seq, event in enumerate(told_before, 1):
        entry, _ = take(book, entry, msgspec.structs.replace(event, seq=seq), LEAD_MS)
    entry, decisions = take(
        book, entry, msgspec.structs.replace(tick(2_030), seq=5), LEAD_MS + 1_000
    )

    assert told(handover.decided(decisions)) == [("fired", 2_020, 0)]
    assert entry.state.at == at(2_030)


def test_a_version_of_another_streams_rule_changes_nothing_here() -> None:
    other = rule('name="soc"\nstream="probes"\nwhen={field="soc_pct",below=20}')
    version = Version("soc", 1, at(5), 0, other)
    book = Rulebook("transitions", [lost("10s")], [version])

    assert list(book.changes((at(0), LEAD_MS), (at(9), LEAD_MS))) == []


VERSIONS = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from(["0s", "10s", "90s", ""])), max_size=4
)


@given(st.lists(TRANSITIONS, max_size=12), st.sets(st.integers(0, 400)), VERSIONS)
def test_extra_ticks_change_nothing_while_rules_change(
    events: list[Event], ticks: set[int], drawn: list[tuple[int, str]]
) -> None:
    versions = [
        version(number, second, lost(hold) if hold else None)
        for number, (second, hold) in enumerate(drawn, 1)
    ]
    ordered = sorted(events, key=lambda event: event.ts)
    mixed = sorted([*map(tick, ticks), *events], key=lambda event: event.ts)
    seen = decided(lost("30s"), versions, *mixed, tick(1_000))

    assert seen == decided(lost("30s"), versions, *ordered, tick(1_000))
    assert [each.at for each in seen] == sorted(each.at for each in seen)
