"""A channel is stopped when it is configured wrongly, and by nothing else."""

import pytest
from structlog.testing import capture_logs

from agents.stopping import STOPPED_S
from app.providers.provider import Answer, Verdict
from schemas.delivery import Failed
from tests.agents.desk import DOWN, SENT, Desk, live, rest


def test_a_channel_that_is_configured_wrongly_is_asked_by_one_text_a_minute() -> None:
    """The first is followed by one more, which shows that it is not the first's own fault."""

    async def act(desk: Desk) -> None:
        desk.peer.otherwise = DOWN
        everybody = [f"person {number}" for number in range(30)]
        for minute in range(10):
            desk.now_s = minute * STOPPED_S
            desk.take(*everybody)
            await rest()
            assert desk.kept() == set(everybody)
        assert [len(each) for each in desk.peer.asked] == [10, *[1] * 10]

        desk.peer.otherwise = SENT
        desk.now_s += STOPPED_S
        desk.take(*everybody)
        await rest()
        assert desk.sent() | desk.kept() == set(everybody)
        desk.now_s += STOPPED_S
        desk.take(*desk.kept())
        await rest()
        assert desk.sent() == set(everybody)

    with capture_logs() as logs:
        live(act)

    stops = [each for each in logs if each["event"] == "channel_stopped"]
    assert len(stops) == 11
    assert {each["log_level"] for each in stops} == {"critical"}


def test_the_only_address_there_is_finds_out_that_its_channel_was_mended() -> None:
    async def act(desk: Desk) -> None:
        desk.peer.otherwise = DOWN
        for _ in range(5):
            desk.take("ann")
            await rest()
            desk.now_s += STOPPED_S
        desk.peer.otherwise = SENT
        for _ in range(2):
            desk.take("ann")
            await rest()
            desk.now_s += STOPPED_S

    assert live(act).sent() == {"ann"}


@pytest.mark.parametrize("bad", [1, 6])
def test_addresses_with_a_fault_of_their_own_keep_nobody_waiting(bad: int) -> None:
    """They answered DOWN, and were back whenever the stop that they had caused was over."""
    first = [f"bad {number}" for number in range(bad)]
    good = {9 * number: f"good {number}" for number in range(50)}

    async def act(desk: Desk) -> None:
        desk.peer.answers = dict.fromkeys(first, DOWN)
        desk.take(*first)
        for second in range(600):
            desk.now_s = second
            desk.take(*desk.due(), *([good[second]] if second in good else []))
            await rest()

    desk = live(act, at_once=1)

    assert desk.sent() == set(good.values())
    assert set(desk.again_s) == set(first)


def test_the_own_fault_of_an_address_is_tried_again_later_each_time() -> None:
    async def act(desk: Desk) -> None:
        desk.peer.answers = {"bad": DOWN}
        desk.take("bad", "good")
        await rest()
        desk.take("late")
        await rest()

    with capture_logs() as logs:
        desk = live(act)
    bad = desk.became["bad"]

    assert isinstance(bad, Failed)
    assert (bad.again, bad.counts, bad.after) == (True, True, STOPPED_S)
    assert desk.sent() == {"good", "late"}
    assert [(each["event"], each["log_level"]) for each in logs] == [
        ("address_stopped", "critical")
    ]


def test_others_wait_while_one_text_finds_out_whether_the_channel_goes() -> None:
    async def act(desk: Desk) -> None:
        desk.peer.answers = {"bad": DOWN}
        desk.take("bad")
        await rest()
        desk.peer.may_answer.clear()
        desk.take("a", "b", "c")
        await rest()
        assert desk.peer.asked == [["bad"], ["a"]]
        desk.peer.may_answer.set()
        await rest()

    assert live(act, calls=2).sent() == {"a", "b", "c"}


def test_the_alarm_names_no_whole_address() -> None:
    async def act(desk: Desk) -> None:
        desk.peer.otherwise = DOWN
        desk.take("ann@example.com")
        await rest()

    with capture_logs() as logs:
        live(act)

    assert [each["reason"] for each in logs] == ["401 for a…@example.com"]


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.RETRY, Verdict.UNKNOWN])
def test_whatever_else_is_answered_ends_the_doubt(verdict: Verdict) -> None:
    async def act(desk: Desk) -> None:
        desk.peer.otherwise = Answer(verdict)
        desk.peer.answers = {"bad": DOWN}
        desk.take("bad")
        await rest()
        desk.take(*(str(number) for number in range(9)))
        await rest()

    assert [len(each) for each in live(act).peer.asked] == [1, 1, 8]
