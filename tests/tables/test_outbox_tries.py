"""When what was sent in vain is tried again, and what is known of it by then."""

from datetime import timedelta

from schemas.decision import Severity
from schemas.delivery import Attempt, Channel, Expired, Failed, OutboxTick, Queued, Unknown
from schemas.escalation import Unanswered
from tables import outbox, outbox_state
from tables.outbox_tried import MOST_UNSURE
from tests.tables.outboxes import (
    DAWN,
    NOTHING,
    Box,
    became,
    contact,
    losing,
    message,
    ms,
    refusing,
    sending,
)


def test_a_fresh_message_is_tried_again_soon_though_an_old_one_travels_with_it() -> None:
    box = Box(refusing("503", again=True))

    box.queue(message(1))
    box.after(minutes=11)
    box.queue(message(2, severity=Severity.CRITICAL, at=box.now))
    box.provider = sending
    box.after(hours=1)

    (before, _), (at, told) = box.left[-2:]
    assert told == ("1", "2")
    assert at - before < 10


def test_a_channel_that_is_down_makes_nothing_wait_longer_afterwards() -> None:
    box = Box(refusing("down", again=True, after=60.0, counts=False))

    box.queue(message(1))
    box.after(minutes=4, seconds=30)
    box.provider = refusing("503", again=True)
    box.after(seconds=37)
    box.provider = sending
    box.after(hours=1)

    (before, _), (at, _) = box.left[-2:]
    assert at - before < 10


def test_only_losses_count_against_what_was_lost() -> None:
    box = Box(refusing("503", again=True))

    box.queue(message(1))
    box.after(seconds=20)
    box.provider = sending
    for _ in range(5):
        box.after(minutes=4)
        _, newest = box.attempts[-1]
        box.fold(Failed(**became(newest), reason="30008", again=True))
    box.after(hours=1)

    assert [attempt.ordinal for _, attempt in box.attempts] == [1, 2, 3, 4, 5]
    assert box.said(Unanswered) == [("30008", ("n1",))]


def test_a_new_message_waits_too_when_the_provider_has_named_a_time() -> None:
    box = Box(refusing("429", again=True, after=300.0))

    box.queue(message(1))
    box.provider = sending
    box.queue(message(2))
    box.after(minutes=10)

    assert box.left == [(0, ("1",)), (301, ("1", "2"))]


def test_what_a_dead_worker_may_have_sent_is_looked_for_since_its_attempt() -> None:
    queued = Queued(message=message(1), terms=NOTHING)
    state, (attempt,) = outbox.take(outbox_state.Outbox(), queued, ms(DAWN))
    assert isinstance(attempt, Attempt)
    later = ms(DAWN + timedelta(minutes=15))

    state, _ = outbox.take(state, attempt, ms(DAWN) + 50)
    state, _ = outbox.take(state, attempt, ms(DAWN) + 90)  # a copy of it
    state, _ = outbox.take(state, Unknown(**became(attempt), reason="restarted"), later)

    assert contact(state).unsure[0].unsure_ms == ms(DAWN) + 50


def test_of_too_many_that_may_have_been_sent_the_least_severe_is_given_up_and_named() -> None:
    box = Box(losing)
    severe = dict.fromkeys(range(MOST_UNSURE + 1), Severity.CRITICAL) | {3: Severity.WARNING}

    for number, severity in severe.items():
        box.queue(message(number, severity=severity, channel=Channel.EMAIL))

    kept = contact(box.state, Channel.EMAIL).unsure
    reason = f"more than {MOST_UNSURE} may have been sent"
    assert len(kept) == MOST_UNSURE
    assert box.said(Expired) == [(reason, ("n3",))]
    assert box.said(Unanswered) == [(reason, ("n3",))]


def test_more_than_fits_costs_what_is_least_severe() -> None:
    box = Box(refusing("down", again=True, after=3_600.0, counts=False))

    box.queue(message(0, severity=Severity.CRITICAL))
    for number in range(1, 203):
        box.queue(message(number, severity=Severity.INFO))

    dropped = [told for _, told in box.said(Expired)]
    assert dropped == [("n1",), ("n2",), ("n3",)]


def test_an_address_that_is_barred_is_remembered_for_ever() -> None:
    box = Box(refusing("opted out", dead=True))

    box.queue(message(1))
    box.provider = sending
    box.now += timedelta(days=40)
    box.fold(OutboxTick())
    box.queue(message(2, at=box.now))

    assert box.left == [(0, ("1",))]
