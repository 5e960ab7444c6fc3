"""Whether anybody answered, and whether a text arrived, by examples."""

from datetime import timedelta

from schemas.decision import Kind
from schemas.delivery import Acknowledged, Channel, Delivered, Expired, Failed, OutboxTick, Terms
from schemas.escalation import Unanswered
from tables.outbox_asked import MOST_ASKED
from tests.tables.outboxes import DAWN, Box, became, message, of, refusing

GROUPED = Terms(grouping=120.0)


def test_what_nobody_acknowledges_in_time_is_unanswered() -> None:
    box = Box()

    box.queue(message(1, unanswered_after=300.0))
    box.after(hours=1)

    assert box.said(Unanswered) == [("nobody has acknowledged it", ("n1",))]
    assert [at - DAWN for at, each in box.wrote if isinstance(each, Unanswered)] == [
        timedelta(minutes=5)
    ]


def test_what_is_acknowledged_is_not_and_what_waits_of_it_is_not_told() -> None:
    box = Box()
    first = message(1, unanswered_after=300.0)

    box.queue(first, of(Kind.REPEATED, first, 2), terms=GROUPED)
    assert first.episode is not None
    acknowledged = Acknowledged(device="home", rule="grid_lost", episode=first.episode, by="bob")
    box.fold(acknowledged)
    box.after(hours=1)

    assert box.left == [(0, ("1",))]
    assert box.said(Expired) == [("acknowledged by bob", ("n2",))]
    assert box.said(Unanswered) == []


def test_what_is_over_asks_nobody_any_more() -> None:
    box = Box()
    first = message(1, unanswered_after=300.0)

    box.queue(first, of(Kind.RESOLVED, first, 2))
    box.after(hours=1)

    assert box.said(Unanswered) == []


def test_it_is_given_up_when_the_last_channel_has_failed_and_not_before() -> None:
    box = Box(refusing("no such number"))

    box.queue(message(1))
    box.provider = refusing("503", again=True)
    box.queue(message(1, channel=Channel.EMAIL))
    before = box.said(Unanswered)
    box.after(hours=1)

    assert before == [("no such number", ("n1",))]
    assert box.said(Unanswered) == [
        ("no such number", ("n1",)),
        ("it came too late to help", ("n1",)),
    ]


def test_it_is_not_given_up_while_another_channel_still_tries() -> None:
    box = Box(refusing("503", again=True))

    box.queue(message(1, channel=Channel.EMAIL))
    box.provider = refusing("no such number")
    box.queue(message(1))

    assert box.said(Unanswered) == []


def test_a_text_that_is_lost_on_its_way_is_sent_again_and_one_that_cannot_arrive_is_not() -> None:
    box = Box()

    box.queue(message(1))
    _, first = box.attempts[0]
    box.fold(Failed(**became(first), reason="30008", again=True))
    box.after(minutes=5)
    _, second = box.attempts[-1]
    box.fold(Failed(**became(second), reason="30006"))
    box.after(hours=1)

    assert [told for _, told in box.left] == [("1",), ("1",)]
    assert box.said(Unanswered) == [("30006", ("n1",))]


def test_what_has_arrived_is_not_lost_later() -> None:
    box = Box()

    box.queue(message(1))
    _, first = box.attempts[0]
    box.fold(Delivered(**became(first), reference="there"))
    box.fold(Failed(**became(first), reason="30008", again=True))
    box.after(hours=1)

    assert box.left == [(0, ("1",))]


def test_what_was_told_and_waits_for_nobody_is_forgotten_when_it_is_of_no_use() -> None:
    box = Box()

    box.queue(message(1, channel=Channel.EMAIL))
    box.queue(message(2, channel=Channel.EMAIL, unanswered_after=7_200.0))
    box.now += timedelta(minutes=45)
    box.fold(OutboxTick())

    assert list(box.state.asked) == ["n2"]


def test_of_too_many_that_wait_for_an_answer_the_oldest_is_given_up() -> None:
    box = Box()

    box.queue(message(0, channel=Channel.EMAIL))  # which waits for nobody
    for number in range(1, MOST_ASKED + 2):
        box.queue(message(number, channel=Channel.EMAIL, unanswered_after=86_400.0))

    assert len(box.state.asked) == MOST_ASKED
    assert box.said(Unanswered) == [(f"more than {MOST_ASKED} wait for an answer", ("n1",))]
