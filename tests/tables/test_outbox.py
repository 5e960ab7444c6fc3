"""The outbox by examples: what leaves, when, and what is said of the rest."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from schemas.decision import Kind, Severity
from schemas.delivery import (
    Channel,
    Expired,
    Failed,
    OutboxTick,
    Quiet,
    Sent,
    Silenced,
    Terms,
    Unsilenced,
    Waits,
)
from tables import outbox_state
from tests.tables.outboxes import (
    DAWN,
    NOTHING,
    Box,
    became,
    contact,
    losing,
    message,
    of,
    refusing,
    sending,
)

GROUPED = Terms(grouping=120.0)
NIGHT = Terms(quiet=Quiet(from_="22:00", to="07:00", tz="Africa/Lagos"), grouping=0.0)
MINUTE, HOUR = 60, 3_600
GOLDEN = Path(__file__).parent / "golden"


def test_the_first_leaves_at_once_and_what_follows_goes_together_after_two_minutes() -> None:
    box = Box()

    box.queue(message(1), terms=GROUPED)
    box.after(seconds=9)
    box.queue(message(2), message(3), terms=GROUPED)
    box.after(minutes=1)
    box.queue(message(4), terms=GROUPED)
    box.after(minutes=10)

    assert box.left == [(0, ("1",)), (121, ("2", "3", "4"))]


def test_a_copy_is_queued_once_also_when_the_first_is_long_sent() -> None:
    box = Box()

    box.queue(message(1), message(1))
    box.after(hours=12)
    box.queue(message(1))

    assert box.left == [(0, ("1",))]


def test_quiet_hours_defer_and_never_drop_and_what_is_critical_passes() -> None:
    box = Box()
    box.until(DAWN + timedelta(hours=10))  # 23:00 in Lagos

    box.queue(message(1, at=box.now), terms=NIGHT)
    box.queue(message(2, severity=Severity.CRITICAL, at=box.now), terms=NIGHT)
    box.after(hours=20)

    assert box.left == [(10 * HOUR, ("2",)), (18 * HOUR, ("1",))]  # 07:00 in Lagos
    assert box.said(Waits) == [("quiet hours", ("n1",))]
    assert box.said(Expired) == []


def test_what_came_and_went_while_somebody_slept_is_dropped_with_one_line() -> None:
    box = Box()
    box.until(DAWN + timedelta(hours=10))
    first = message(1, at=box.now)

    box.queue(first, terms=NIGHT)
    box.after(minutes=40)
    box.queue(of(Kind.RESOLVED, first, 2), terms=NIGHT)
    box.after(hours=20)

    assert box.left == []
    assert box.said(Expired) == [("it was over before it was told", ("n1", "n2"))]
    assert contact(box.state).unsaid == ("short 2",)


def test_an_end_whose_beginning_was_told_is_told_and_takes_the_place_of_what_repeats_it() -> None:
    box = Box()
    first = message(1)

    box.queue(first, terms=GROUPED)
    box.queue(of(Kind.REPEATED, first, 2), of(Kind.RESOLVED, first, 3), terms=GROUPED)
    box.after(minutes=5)

    assert box.left == [(0, ("1",)), (121, ("3",))]
    assert box.said(Expired) == [("it is over, which is told", ("n2",))]


def test_texts_are_capped_and_the_rest_is_one_digest() -> None:
    box = Box()

    for number in range(30):
        box.queue(message(number, severity=Severity.INFO, useful=timedelta(hours=12)))
        box.after(seconds=10)
    box.after(hours=4)

    times = [at for at, _ in box.left]
    assert [count for _, count in box.left][-1][-1] == "29"
    assert sum(len(told) for _, told in box.left) == 30
    for most, within in ((1, 60), (5, 900), (11, 3_600), (21, 10_800)):
        assert all(after - at >= within for at, after in zip(times, times[most:], strict=False))
    assert {reason for reason, _ in box.said(Waits)} == {"a cap"}


def test_an_email_is_not_capped() -> None:
    box = Box()

    for number in range(30):
        box.queue(message(number, channel=Channel.EMAIL))

    assert len(box.left) == 30


def test_what_comes_too_late_expires_and_is_said_in_the_next() -> None:
    box = Box(refusing("503", again=True))

    box.queue(message(1))
    box.after(hours=1)
    box.provider = sending
    box.queue(message(2, at=box.now))

    assert [round(at) for at, _ in box.left[:4]] == pytest.approx([0, 6, 37, 158], rel=0.25)
    assert box.said(Expired) == [("it came too late to help", ("n1",))]
    assert box.left[-1][1] == ("2",)
    assert contact(box.state).unsaid_count == 0
    assert contact(box.state).gone[-1].unsaid == ("short 1",)


def test_a_new_message_takes_along_what_waits_for_another_try() -> None:
    box = Box(refusing("503", again=True))

    box.queue(message(1))
    box.provider = sending
    box.queue(message(2))

    assert box.left == [(0, ("1",)), (1, ("1", "2"))]


def test_a_provider_that_names_a_time_is_not_asked_before() -> None:
    box = Box(refusing("429", again=True, after=300.0))

    box.queue(message(1))
    box.provider = sending
    box.after(minutes=10)

    assert box.left == [(0, ("1",)), (301, ("1",))]


def test_what_may_have_been_sent_is_tried_again_under_its_own_name() -> None:
    box = Box(losing)

    box.queue(message(1))
    box.provider = sending
    box.queue(message(2))
    box.after(minutes=10)

    assert [told for _, told in box.left] == [("1",), ("1",), ("2",)]
    assert [attempt.ordinal for _, attempt in box.attempts] == [1, 2, 1]


def test_information_that_may_have_been_texted_is_left_at_that() -> None:
    box = Box(losing)

    box.queue(message(1, severity=Severity.INFO), message(2, severity=Severity.INFO))
    box.after(hours=1)
    box.queue(message(3, severity=Severity.INFO, channel=Channel.EMAIL, at=box.now))
    box.provider = sending
    box.after(hours=1)

    assert [told for _, told in box.left] == [("1",), ("2",), ("3",), ("3",)]


def test_an_answer_that_comes_late_after_all_is_taken() -> None:
    box = Box(losing)

    box.queue(message(1))
    _, attempt = box.attempts[0]
    box.fold(Sent(**became(attempt), reference="there"))
    box.after(hours=1)

    assert box.left == [(0, ("1",))]


def test_an_address_that_is_gone_is_used_no_more() -> None:
    box = Box(refusing("opted out", dead=True))

    box.queue(message(1), message(2))
    box.queue(message(3, channel=Channel.EMAIL))

    assert box.left == [(0, ("1",)), (1, ("3",))]
    assert box.said(Failed) == [("opted out", ("n2",))]


def test_an_address_that_was_verified_since_is_used_again() -> None:
    box = Box(refusing("opted out", dead=True))
    box.queue(message(1))
    box.queue(message(2), terms=Terms(verified=DAWN - timedelta(days=1), grouping=0.0))
    box.queue(message(3), terms=Terms(verified=DAWN + timedelta(days=1), grouping=0.0))
    box.queue(message(4), terms=Terms(grouping=0.0))

    assert [ids for _, ids in box.left][:2] == [("1",), ("3",)]
    assert box.said(Failed)[0] == ("opted out", ("n2",))


def test_an_address_that_is_barred_gets_nothing() -> None:
    box = Box()

    box.queue(message(1), terms=Terms(barred="opted out"))

    assert box.left == []
    assert box.said(Failed) == [("opted out", ("n1",))]


def test_a_silence_holds_back_and_says_so() -> None:
    silenced = Silenced(id="s1", until=DAWN + timedelta(minutes=20), author="bob")
    box = Box()

    box.queue(message(1), terms=Terms(silenced=silenced, grouping=0.0))
    box.queue(message(2, useful=timedelta(minutes=10)), terms=Terms(silenced=silenced))
    box.after(hours=1)

    assert box.left == [(20 * MINUTE, ("1", "2"))]  # also what was useful for less
    assert box.said(Waits) == [("silenced by bob", ("n1",)), ("silenced by bob", ("n2",))]


def test_a_tick_that_comes_too_often_changes_nothing() -> None:
    box, plain = Box(), Box()
    for each in (box, plain):
        each.queue(message(1), message(2), terms=GROUPED)
    for _ in range(200):
        box.now += timedelta(seconds=1)
        box.fold(OutboxTick())
    plain.after(seconds=200)

    assert box.left == plain.left


def test_more_than_fits_a_state_is_dropped_and_counted() -> None:
    silenced = Silenced(id="s1", until=DAWN + timedelta(minutes=20), author="bob")
    box = Box()

    for number in range(250):
        box.queue(message(number), terms=Terms(silenced=silenced, grouping=0.0))
    box.after(hours=1)

    assert [len(told) for _, told in box.left] == [200]
    assert len(box.said(Expired)) == 50
    assert contact(box.state).gone[-1].unsaid_count == 50


@pytest.mark.parametrize("at", [DAWN])
def test_nothing_is_known_for_ever(at: datetime) -> None:
    box = Box()

    box.queue(message(1, at=at), terms=NOTHING)
    box.now += timedelta(hours=40)
    box.fold(OutboxTick())

    assert (box.state.contacts, box.state.known, box.state.asked) == ({}, {}, {})


def test_a_state_from_before_it_had_more_fields_goes_on() -> None:
    box = Box()
    box.state = outbox_state.read((GOLDEN / "outbox.v1.msgpack").read_bytes())
    box.now = DAWN + timedelta(seconds=30)

    box.fold(Unsilenced(device="home", rule="grid_lost"))
    box.after(hours=1)

    assert [told for _, told in box.left] == [("2",), ("4",), ("3",)]
