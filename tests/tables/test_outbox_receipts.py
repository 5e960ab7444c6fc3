"""What a provider says later of a text: it is of that try, whatever has happened since."""

from schemas.delivery import Attempt, Channel, Delivered, Failed, Sent, Terms
from schemas.escalation import Unanswered
from tests.tables.outboxes import Box, contact, losing, message, refusing, sending

GROUPED = Terms(grouping=120.0)


def lost(attempt: Attempt, *, again: bool = True, dead: bool = False) -> Failed:
    """Return the receipt that ``attempt`` was lost; it names the first message alone."""
    return Failed(
        message=attempt.message,
        notification=attempt.notification,
        recipient=attempt.recipient,
        channel=attempt.channel,
        attempt=attempt.attempt,
        reason="lost",
        again=again,
        dead=dead,
    )


def arrived(attempt: Attempt) -> Delivered:
    """Return the receipt that ``attempt`` has arrived; it names the first message alone."""
    return Delivered(
        message=attempt.message,
        notification=attempt.notification,
        recipient=attempt.recipient,
        channel=attempt.channel,
        attempt=attempt.attempt,
        reference="there",
    )


def test_a_copy_of_an_old_receipt_is_not_of_the_newer_try() -> None:
    box = Box()

    box.queue(message(1))
    _, first = box.attempts[0]
    box.after(seconds=30)
    box.fold(lost(first))
    box.after(minutes=2)
    box.fold(lost(first))
    box.after(minutes=5)

    assert [told for _, told in box.left] == [("1",), ("1",)]


def test_a_receipt_of_a_single_text_is_not_of_one_of_several_that_begins_alike() -> None:
    box = Box()

    box.queue(message(1))
    _, first = box.attempts[0]
    box.after(seconds=10)
    box.queue(message(2))
    box.fold(lost(first))
    box.after(minutes=3)
    box.fold(lost(first))
    box.after(minutes=5)

    assert [told for _, told in box.left] == [("1",), ("1", "2")]


def test_a_late_receipt_of_a_text_of_several_is_of_all_of_them() -> None:
    box = Box()
    box.queue(message(0, channel=Channel.EMAIL), terms=GROUPED)
    box.queue(message(1, channel=Channel.EMAIL), message(2, channel=Channel.EMAIL), terms=GROUPED)
    box.after(minutes=3)
    _, several = box.attempts[-1]
    for number in range(3, 7):
        box.queue(message(number, channel=Channel.EMAIL, at=box.now))
        box.after(seconds=5)

    box.fold(lost(several, again=False))

    assert several.notifications == ("n1", "n2")
    assert box.said(Unanswered) == [("lost", ("n1",)), ("lost", ("n2",))]


def test_a_bounce_of_an_older_mail_still_ends_its_address() -> None:
    box = Box()
    for number in range(5):
        box.queue(message(number, channel=Channel.EMAIL))
    _, first = box.attempts[0]

    box.fold(lost(first, again=False, dead=True))
    box.queue(message(9, channel=Channel.EMAIL))

    assert len(box.left) == 5
    assert contact(box.state, Channel.EMAIL).barred == "lost"


def test_what_has_arrived_before_it_was_called_sent_is_not_lost_later() -> None:
    box = Box()

    def overtaken(attempt: Attempt) -> Sent:
        box.fold(arrived(attempt))
        return sending(attempt)

    box.provider = overtaken
    box.queue(message(1))
    _, first = box.attempts[0]
    box.fold(lost(first))
    box.after(hours=1)

    assert box.left == [(0, ("1",))]
    assert [each.reached for each in box.state.asked.values()] == [1]


def test_what_an_earlier_try_delivered_is_not_tried_again_when_the_newer_fails() -> None:
    box = Box(losing)
    box.queue(message(1, channel=Channel.EMAIL))
    _, first = box.attempts[0]

    def meanwhile(attempt: Attempt) -> Failed:
        box.fold(arrived(first))
        return refusing("503", again=True)(attempt)

    box.provider = meanwhile
    box.after(seconds=10)
    box.provider = sending
    box.after(hours=1)

    assert [told for _, told in box.left] == [("1",), ("1",)]
    assert box.said(Unanswered) == []


def test_what_a_look_up_found_is_lost_under_the_name_of_the_try_that_sent_it() -> None:
    box = Box(losing)
    box.queue(message(1))
    _, first = box.attempts[0]
    box.provider = sending  # the provider finds that the first try has sent it
    box.after(minutes=2)

    box.fold(lost(first, again=False))

    assert box.said(Unanswered) == [("lost", ("n1",))]
