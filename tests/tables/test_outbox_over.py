"""What is over, or somebody sees to, is not told any more, whatever became of its texts so far."""

from datetime import timedelta

import pytest

from schemas.decision import Kind, Severity
from schemas.delivery import Acknowledged, Attempt, Channel, Expired, Failed, Message, Quiet, Terms
from tests.tables.outboxes import (
    DAWN,
    Box,
    contact,
    losing,
    message,
    of,
    refusing,
    sending,
)

GROUPED = Terms(grouping=120.0)


def acknowledged(told: Message) -> Acknowledged:
    """Return that somebody sees to what ``told`` tells of."""
    assert told.episode is not None
    return Acknowledged(device=told.device, rule=told.rule, episode=told.episode, by="bob")


@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SMS])
def test_a_problem_that_may_have_been_told_is_not_told_after_its_end(channel: Channel) -> None:
    box = Box(losing)
    first = message(1, severity=Severity.CRITICAL, channel=channel)

    box.queue(first)
    box.after(minutes=3)
    box.provider = sending
    tried = len(box.left)
    box.queue(of(Kind.RESOLVED, first, 2))
    box.after(hours=1)

    assert [told for _, told in box.left[tried:]] == [("2",)]


def test_a_problem_that_may_have_been_told_is_not_told_once_somebody_sees_to_it() -> None:
    box = Box(losing)
    first = message(1, severity=Severity.CRITICAL, channel=Channel.EMAIL)

    box.queue(first)
    box.provider = sending
    box.fold(acknowledged(first))
    box.after(hours=1)

    assert box.left == [(0, ("1",))]


def test_a_text_of_several_is_tried_again_without_what_is_over() -> None:
    box = Box()
    first, other = message(1, channel=Channel.EMAIL), message(2, channel=Channel.EMAIL)

    box.queue(message(0, channel=Channel.EMAIL), terms=GROUPED)
    box.queue(first, other, terms=GROUPED)
    box.provider = losing
    box.until(DAWN + timedelta(seconds=123))
    box.provider = sending
    box.fold(acknowledged(first))
    box.after(seconds=1)
    (text,) = contact(box.state, Channel.EMAIL).unsure

    assert [each.message.id for each in text.told] == [other.id]
    assert set(text.ids) == {first.id, other.id}  # under the same name


@pytest.mark.parametrize("again", [True, False])
def test_an_end_that_waits_for_its_problem_goes_with_it_when_that_fails(again: bool) -> None:
    first = message(1)
    end = of(Kind.RESOLVED, first, 2)
    box = Box()

    def ending(attempt: Attempt) -> Failed:
        box.queue(end)
        return refusing("no", again=again)(attempt)

    box.provider = ending
    box.queue(first)
    box.provider = sending
    box.after(hours=1)

    assert box.left == [(0, ("1",))]
    assert box.said(Expired)[-1] == ("it was over before it was told", ("n2",))
    assert contact(box.state).unsaid == ("short 2",)


def test_what_somebody_sees_to_while_it_flies_is_not_tried_again() -> None:
    first = message(1)
    box = Box()

    def seen(attempt: Attempt) -> Failed:
        box.fold(acknowledged(first))
        return refusing("503", again=True)(attempt)

    box.provider = seen
    box.queue(first)
    box.provider = sending
    box.after(hours=1)

    assert box.left == [(0, ("1",))]
    assert box.said(Expired) == [("acknowledged by bob", ("n1",))]


def test_an_end_is_dropped_when_its_problem_was_refused_long_before() -> None:
    box = Box(refusing("400"))
    first = message(1)

    box.queue(first)
    box.provider = sending
    box.after(days=2)
    box.queue(of(Kind.RESOLVED, message(1, at=box.now), 2))
    box.after(hours=1)

    assert box.left == [(0, ("1",))]
    assert box.said(Expired) == [("it was over before it was told", ("n2",))]


def test_an_end_is_told_when_a_repetition_was_though_the_first_was_refused() -> None:
    box = Box(refusing("400"))
    first = message(1)

    box.queue(first)
    box.provider = sending
    box.after(minutes=5)
    box.queue(of(Kind.REPEATED, first, 2))
    box.after(minutes=5)
    box.queue(of(Kind.RESOLVED, first, 3))

    assert [told for _, told in box.left] == [("1",), ("2",), ("3",)]


def test_what_may_have_been_sent_waits_for_caps_and_quiet_hours() -> None:
    night = Terms(quiet=Quiet(from_="12:10", to="20:00", tz="UTC"), grouping=0.0)
    text, mail = Box(losing), Box(losing)

    text.queue(message(1))
    text.after(minutes=4)
    mail.queue(message(1, channel=Channel.EMAIL, useful=timedelta(hours=12)), terms=night)
    mail.until(DAWN + timedelta(hours=7, minutes=59))
    before = [at for at, _ in mail.left]
    mail.after(minutes=2)

    assert [at for at, _ in text.left][:3] == [0, 61, 122]
    assert max(before) < 600
    assert mail.left[-1][0] == 8 * 3_600


def test_what_came_too_late_is_not_revived_by_quiet_hours() -> None:
    box = Box()

    box.queue(
        message(1, at=DAWN - timedelta(days=3)),
        terms=Terms(quiet=Quiet(from_="11:00", to="13:00", tz="UTC"), grouping=0.0),
    )
    box.after(hours=3)

    assert box.left == []
    assert box.said(Expired) == [("it came too late to help", ("n1",))]
