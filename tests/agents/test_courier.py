"""How a courier sends: in turns, and told as it goes on."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from agents import composing, people, posting
from agents.courier import Ticket
from app.providers.provider import Outgoing
from schemas.delivery import Channel, Queued
from tests.agents.desk import Desk, Peer, live, rest
from tests.agents.test_posting import World, settled
from tests.tables.outboxes import NOTHING, message


def test_what_became_of_one_call_is_told_while_the_next_is_under_way() -> None:
    async def act(desk: Desk) -> None:
        desk.may_tell.clear()
        desk.take("a", "b", "c")
        await rest()
        assert (desk.peer.asked, desk.became) == ([["a"], ["b"]], {})
        desk.may_tell.set()
        await rest()

    desk = live(act, at_once=1)

    assert desk.peer.asked == [["a"], ["b"], ["c"]]
    assert desk.sent() == {"a", "b", "c"}


def test_no_more_than_two_calls_of_each_that_sends_are_untold() -> None:
    async def act(desk: Desk) -> None:
        desk.may_tell.clear()
        desk.take(*(str(number) for number in range(20)))
        await rest()

    desk = live(act, at_once=1, calls=3)

    assert len(desk.peer.asked) == 2 * 3


def test_what_was_told_last_is_told_though_nothing_follows() -> None:
    async def act(desk: Desk) -> None:
        desk.take("a")
        await rest()

    assert live(act).sent() == {"a"}


def test_an_outcome_that_cannot_be_told_ends_the_courier() -> None:
    async def act(desk: Desk) -> None:
        desk.fault = OSError("no broker")
        desk.peer.calls = 2
        running = asyncio.create_task(desk.courier.run())
        desk.take("a")
        await rest()
        (ended,) = await asyncio.gather(running, return_exceptions=True)
        assert isinstance(ended, ExceptionGroup)
        assert ended.subgroup(OSError) is not None
        assert desk.peer.closed

    async def alone() -> None:
        await act(Desk(Peer()))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(alone())


def test_a_courier_that_is_ended_while_it_tells_leaves_nothing_behind() -> None:
    async def act(desk: Desk) -> None:
        desk.may_tell.clear()
        desk.take("a", "b")
        await rest()

    assert live(act, at_once=1).became == {}


def test_a_text_that_is_not_to_be_sent_is_told_of_among_the_others() -> None:
    async def act(desk: Desk) -> None:
        desk.take("a", "nowhere", "b")
        await rest()
        desk.take("nowhere")
        await rest()

    desk = live(act)

    assert desk.peer.asked == [["a", "b"]]
    assert desk.became["nowhere"] == desk.find(Ticket(0, b"nowhere", "", "nowhere 1", ""))


@pytest.fixture(name="world")
def _world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def two_queued(world: World) -> None:
    for number, key in enumerate((b"ann", b"bob")):
        world.write(Queued(message=message(number), terms=NOTHING), key)


def test_a_text_that_cannot_be_written_is_refused_and_the_others_are_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = composing.outgoing

    def outgoing(text: Any, links: Any) -> Outgoing:
        if text.covers[0].message.text == "text 0":
            raise ZeroDivisionError("division by zero")
        return written(text, links)

    monkeypatch.setattr(posting, "outgoing", outgoing)

    async def act() -> None:
        await settled(world)
        two_queued(world)
        await world.work()

    with capture_logs() as logs:
        asyncio.run(act())

    assert world.provider.taken == ["text 1"]
    assert sorted(world.kinds) == ["attempt", "attempt", "failed", "queued", "queued", "sent"]
    assert [each["attempt"] for each in logs if each["event"] == "text_unwritten"]
    failed = next(each for each in world.topic if b'"failed"' in (each.value or b""))
    assert b"it could not be written: ZeroDivisionError: division by zero" in (failed.value or b"")


def test_nothing_is_sent_where_somebody_opted_out_after_it_was_queued(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    out: dict[tuple[Channel, str], str] = {}
    monkeypatch.setattr(people.people, "suppressed", lambda *address: out.get(address))

    async def act() -> None:
        await settled(world)
        two_queued(world)
        await world.fold()
        out[Channel.SMS, "+15550100"] = "STOP"
        await world.work()

    asyncio.run(act())

    assert world.provider.taken == []
    assert world.kinds.count("failed") == 2
    assert world.suppressed == []  # the directory says so, and may say otherwise again
