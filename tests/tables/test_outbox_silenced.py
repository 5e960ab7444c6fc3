"""What a silence holds back, and what becomes of it when the silence is ended early."""

from datetime import timedelta

from schemas.decision import Kind
from schemas.delivery import Expired, Quiet, Silenced, Terms, Unsilenced, Waits
from schemas.escalation import Unanswered
from tests.tables.outboxes import DAWN, Box, message, of, replayed

HOUR = 3_600
LONG = Silenced(id="s1", until=DAWN + timedelta(hours=3), author="bob")
OTHER = Silenced(id="s2", until=DAWN + timedelta(hours=2), author="cyn")
SILENCED = Terms(silenced=LONG, grouping=0.0)
ENDED = Unsilenced(device="home", rule="grid_lost")


def test_a_problem_that_outlasts_a_silence_is_told_and_answered_for_when_it_ends() -> None:
    box = Box()

    box.queue(message(1, unanswered_after=600.0), terms=SILENCED)
    box.after(hours=4)

    assert box.left == [(3 * HOUR, ("1",))]
    assert box.said(Expired) == []
    assert [at - DAWN for at, each in box.wrote if isinstance(each, Unanswered)] == [
        timedelta(hours=3, minutes=10)
    ]


def test_a_problem_that_is_over_before_the_silence_is_not_told() -> None:
    box = Box()
    first = message(1)

    box.queue(first, terms=SILENCED)
    box.after(hours=1)
    box.queue(of(Kind.RESOLVED, first, 2), terms=SILENCED)
    box.after(hours=4)

    assert box.left == []
    assert box.said(Expired) == [("it was over before it was told", ("n1", "n2"))]


def test_what_a_silence_held_back_leaves_when_that_is_ended_early() -> None:
    box = Box()

    box.queue(message(1, unanswered_after=600.0), terms=SILENCED)
    box.after(hours=1)
    box.fold(ENDED)
    box.fold(ENDED)
    box.after(hours=4)

    assert box.left == [(HOUR, ("1",))]
    assert [at - DAWN for at, each in box.wrote if isinstance(each, Unanswered)] == [
        timedelta(hours=1, minutes=10)
    ]
    assert replayed(box.log) == box.state


def test_another_silence_goes_on_holding_it_back_and_is_named() -> None:
    box = Box()

    box.queue(message(1), terms=SILENCED)
    box.after(hours=1)
    for _ in range(2):
        box.fold(Unsilenced(device="home", rule="grid_lost", silenced=OTHER))
    box.after(hours=4)

    assert box.left == [(2 * HOUR, ("1",))]
    assert [reason for reason, _ in box.said(Waits)] == ["silenced by bob", "silenced by cyn"]


def test_quiet_hours_hold_back_what_no_silence_does_any_more() -> None:
    night = Quiet(from_="12:30", to="16:00", tz="UTC")
    box = Box()

    box.queue(message(1), terms=Terms(silenced=LONG, quiet=night, grouping=0.0))
    box.after(hours=1)
    box.fold(ENDED)
    box.after(hours=4)

    assert box.left == [(4 * HOUR, ("1",))]


def test_what_is_told_of_another_rule_stays_silenced() -> None:
    box = Box()

    box.queue(message(1), terms=SILENCED)
    box.fold(Unsilenced(device="home", rule="generator_failed"))
    box.fold(Unsilenced(device="shop", rule="grid_lost"))
    box.after(hours=4)

    assert box.left == [(3 * HOUR, ("1",))]
