"""The laws: ticks, copies, batching and restarts change nothing."""

import hashlib

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Event, Source
from tables import entries
from tables.entries import Entry
from tables.fold import State
from tables.intake import take
from tables.rulebook import Rulebook
from tests.events import GRID, context, decided, reading, rule, run, tick, transition

RULES = (
    rule(
        'name="a"\nstream="transitions"\nwhen={field="source",not_equals="grid"}\nfor="10s"\n'
        'clear_for="5s"\nreset="100s"\nrepeat=true\nneeds="grid"'
    ),
    rule(
        'name="b"\nstream="transitions"\nwhen.any=[{field="due",contains="generator"},'
        '{field="in_window",equals=false}]\nfor="0s"\nclear_for="0s"\nreset="0s"'
    ),
    rule(
        'name="c"\nstream="transitions"\nwhen={field="source",equals="none"}\npulse=true\n'
        'for="0s"\nreset="60s"'
    ),
    rule('name="d"\nstream="probes"\nwhen={field="drained_wh",above=3}\nfor="20s"\nreset="60s"'),
    rule(
        'name="e"\nstream="probes"\nwhen={field="soc_pct",below=20}\n'
        'clear_when={field="soc_pct",above=30}\nfor="0s"\nreset="70s"\nseverity="critical"'
    ),
)
SECONDS = st.integers(0, 400)
SOURCES = st.sampled_from(Source)
WINDOWS = st.sampled_from([None, True, False])
DUE = st.sampled_from([(), (Source.GENERATOR,)])
CONTEXTS = st.builds(
    lambda second, source, window, due: context(second, source, in_window=window, due=due),
    SECONDS,
    st.none() | SOURCES,
    WINDOWS,
    DUE,
)
TRANSITIONS = st.builds(transition, SECONDS, SOURCES, SOURCES) | CONTEXTS
READINGS = (
    st.builds(
        reading,
        SECONDS,
        power_w=st.integers(0, 5_000).map(float),
        energy_wh=st.floats(0, 5),
        soc_pct=st.none() | st.integers(0, 100).map(float),
        source=st.none() | SOURCES,
    )
    | CONTEXTS
)
STREAMS = st.sampled_from([("transitions", TRANSITIONS), ("probes", READINGS)])


@st.composite
def histories(draw: st.DrawFn) -> tuple[str, list[Event]]:
    stream, events = draw(STREAMS)
    ordered = sorted(draw(st.lists(events, max_size=25)), key=lambda event: event.ts)
    return stream, [*ordered, tick(1_000)]


@given(histories(), st.sets(SECONDS))
def test_extra_ticks_change_nothing(history: tuple[str, list[Event]], ticks: set[int]) -> None:
    stream, events = history
    mixed = sorted([*map(tick, ticks), *events], key=lambda event: event.ts)

    assert decided(RULES, stream, *mixed) == decided(RULES, stream, *events)


@given(histories(), st.sets(st.integers(0, 25)))
def test_a_restart_at_any_event_changes_nothing(
    history: tuple[str, list[Event]], restarts: set[int]
) -> None:
    stream, events = history
    state, decisions = State(), []
    for index, event in enumerate(events):
        if index in restarts:
            state = msgspec.json.decode(msgspec.json.encode(state), type=State)
        state, more = run(RULES, stream, state, event)
        decisions += more

    assert decisions == decided(RULES, stream, *events)


@given(histories(), st.lists(st.integers(0, 25), max_size=5))
def test_copies_change_nothing(history: tuple[str, list[Event]], again: list[int]) -> None:
    stream, events = history
    book = Rulebook(stream, RULES)
    numbered = [msgspec.structs.replace(each, seq=n) for n, each in enumerate(events, 1)]
    sent = list(numbered)
    for index in again:  # from some record on, everything is sent once more
        sent += numbered[index:]
    entry, decisions = Entry(), []
    for event in sent:
        entry, more = take(book, entry, event, 0)
        entry = entries.read(entries.written(entry))
        decisions += more

    assert decisions == decided(RULES, stream, *events)
    assert (entry.counts.missing, entry.counts.duplicates) == (0, len(sent) - len(events))


@given(histories())
def test_ids_are_never_used_twice(history: tuple[str, list[Event]]) -> None:
    stream, events = history
    ids = [decision.id for decision in decided(RULES, stream, *events)]

    assert len(ids) == len(set(ids))


@given(histories())
def test_an_idle_device_keeps_no_alert(history: tuple[str, list[Event]]) -> None:
    stream, events = history
    quiet: list[Event] = [context(2_000, GRID), reading(2_000, soc_pct=100, source=GRID)]
    state, _ = run(RULES, stream, State(), *events, *quiet[: 1 + (stream == "probes")], tick(9_999))

    assert all(alert.suppressed for alert in state.alerts.values())


def test_a_number_that_is_left_out_is_counted_and_the_rest_applied() -> None:
    book = Rulebook("transitions", RULES)
    entry = Entry()
    for seq in (1, 4, 5):
        event = msgspec.structs.replace(transition(seq, GRID, Source.NONE), seq=seq)
        entry, _ = take(book, entry, event, 0)

    assert (entry.seq, entry.counts.missing) == (5, 2)


def test_the_id_is_derived_as_the_design_says() -> None:
    (first, *_) = decided(RULES, "transitions", transition(0, GRID, Source.NONE), tick(20))
    words = "home\x1fc\x1f1767225600000000\x1ffired\x1f0"

    assert first.id == hashlib.sha256(words.encode()).hexdigest()[:32]


def test_a_rule_is_decided_with_the_numbers_of_its_device() -> None:
    slow = rule(
        'name="x"\nstream="transitions"\nwhen={field="source",equals="none"}\nfor="1s"\n'
        '[[rule.override]]\ndevices=["ho*"]\nfor="30s"'
    )
    other = rule(
        'name="y"\nstream="transitions"\nwhen={field="source",equals="none"}\ndevices=["shop"]'
    )

    (only,) = decided((slow, other), "transitions", transition(0, GRID, Source.NONE), tick(500))

    assert (only.rule, only.at) == ("x", tick(30).ts)
