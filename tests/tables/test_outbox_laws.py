"""What holds of every outbox, whatever happens around it."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.decision import Kind, Severity
from schemas.delivery import (
    Attempt,
    Channel,
    Expired,
    Failed,
    OutboxTick,
    Queued,
    Quiet,
    Sent,
    Silenced,
    Terms,
    Unknown,
)
from tables.limits import CAPS
from tests.tables.outboxes import (
    DAWN,
    Box,
    losing,
    message,
    ms,
    of,
    refusing,
    replayed,
    sending,
)

PROVIDERS: tuple[Callable[[Attempt], Sent | Failed | Unknown], ...] = (
    sending,
    losing,
    refusing("503", again=True),
    refusing("429", again=True, after=90.0),
    refusing("configuration", again=True, after=60.0, counts=False),
    refusing("bad"),
)
terms = st.builds(
    Terms,
    quiet=st.none() | st.just(Quiet(from_="13:00", to="14:30", tz="UTC")),
    silenced=st.none() | st.just(Silenced("s", DAWN + timedelta(minutes=50), "bob")),
    grouping=st.sampled_from([0.0, 120.0]),
)
step = st.tuples(
    st.sampled_from(PROVIDERS),
    st.sampled_from([Kind.FIRED, Kind.FIRED, Kind.REPEATED, Kind.RESOLVED]),
    st.sampled_from(Severity),
    st.sampled_from([Channel.SMS, Channel.SMS, Channel.EMAIL]),
    terms,
    st.integers(0, 3),  # which of the messages before it belongs to
    st.sampled_from([0, 1, 20, 119, 600, 4_000]),  # seconds until the next
)


def lived(steps: list[Any]) -> Box:
    """Return a box after ``steps``, and half a day more."""
    box = Box()
    first = message(0)
    for number, (provider, kind, severity, channel, on, back, seconds) in enumerate(steps):
        box.provider = provider
        if kind is Kind.FIRED or back == 0:
            first = message(number, severity=severity, channel=channel, at=box.now)
            box.queue(first, terms=on)
        else:
            box.queue(of(kind, first, number), terms=on)
        box.after(seconds=seconds)
    box.after(hours=14)
    return box


@settings(max_examples=150, deadline=None)
@given(st.lists(step, min_size=1, max_size=12))
def test_every_message_ends_and_nothing_that_was_sent_is_sent_again(steps: list[Any]) -> None:
    box = lived(steps)

    ended: Counter[str] = Counter()
    for event, _ in box.log:
        if isinstance(event, Sent | Expired) or (isinstance(event, Failed) and not event.again):
            ended.update(event.messages)
    unsure = {each for event, _ in box.log if isinstance(event, Unknown) for each in event.messages}
    queued = {event.message.id for event, _ in box.log if isinstance(event, Queued)}
    assert queued == ended.keys() | unsure
    assert all(count == 1 for count in ended.values())
    assert not any(
        each.waiting or each.flying or each.unsure for each in box.state.contacts.values()
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(step, min_size=1, max_size=12))
def test_caps_and_grouping_hold_and_each_try_has_a_name_of_its_own(steps: list[Any]) -> None:
    box = lived(steps)

    names = [attempt.attempt for _, attempt in box.attempts]
    assert len(set(names)) == len(names)
    left = [
        at
        for event, at in box.log
        if isinstance(event, Sent | Unknown) and event.channel is Channel.SMS
    ]
    for most, within_ms in CAPS[Channel.SMS]:
        assert all(later - at >= within_ms for at, later in zip(left, left[most:], strict=False))
    assert all(before <= after for before, after in pairwise(left))


@settings(max_examples=150, deadline=None)
@given(st.lists(step, min_size=2, max_size=12))
def test_no_problem_is_told_after_its_end_and_no_end_without_its_problem(steps: list[Any]) -> None:
    box = lived(steps)

    told = {event.message.id: event.message for event, _ in box.log if isinstance(event, Queued)}
    begun = {each.episode for each in told.values() if each.kind is Kind.FIRED}
    order = list(told)
    may_know: set[Any] = set()
    too_late: set[str] = set()
    for event, _ in box.log:
        if isinstance(event, Attempt) and not event.also:
            assert event.message not in too_late
        if isinstance(event, Sent | Unknown):
            for each in (told[message] for message in event.messages):
                if each.kind is Kind.RESOLVED:
                    assert each.episode in may_know or each.episode not in begun
                    before = order[: order.index(each.id)]
                    too_late |= {key for key in before if told[key].episode == each.episode}
                    too_late -= {key for key in before if told[key].kind is Kind.RESOLVED}
                may_know.add(each.episode)


@settings(max_examples=100, deadline=None)
@given(st.lists(step, min_size=1, max_size=10), st.data())
def test_a_replay_and_copies_of_records_and_more_ticks_decide_the_same(
    steps: list[Any],
    data: st.DataObject,
) -> None:
    box = lived(steps)

    assert replayed(box.log) == box.state
    doubled = []
    for event, at in box.log:
        doubled.append((event, at))
        if data.draw(st.booleans()):
            copy = event if not isinstance(event, Failed | Sent | Unknown) else OutboxTick()
            doubled.append((copy, at))
    again = replayed(doubled)
    assert {key: each.waiting for key, each in again.contacts.items()} == {
        key: each.waiting for key, each in box.state.contacts.items()
    }


@given(st.lists(step, min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_nobody_is_woken_for_what_critical_messages_do_not_wait_for(steps: list[Any]) -> None:
    box = lived(steps)
    asleep = (ms(DAWN + timedelta(hours=1)), ms(DAWN + timedelta(hours=2, minutes=30)))

    for at, attempt in box.attempts:
        if asleep[0] <= ms(at) < asleep[1]:
            covered = set(attempt.messages)
            told = [
                event
                for event, _ in box.log
                if isinstance(event, Queued) and event.message.id in covered
            ]
            passes = [
                each.terms.quiet is None or each.message.severity is Severity.CRITICAL
                for each in told
            ]
            assert any(passes)
            assert all(passes) or attempt.ordinal > 1  # it travels on with what passes
