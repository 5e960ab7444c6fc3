"""How a courier sends: in turns, told as it goes on, and stopped by its channel alone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from agents import composing, people, posting
from agents.courier import Became, Courier, Ready, Ticket
from agents.stopping import STOPPED_S
from app.providers.provider import Answer, Outgoing, Verdict
from schemas.decision import Kind, Severity
from schemas.delivery import Channel, Delivery, Failed, Queued, Sent
from tests.agents.test_posting import World, settled
from tests.tables.outboxes import DAWN, NOTHING, message

SENT = Answer(Verdict.SENT, reference="there")
DOWN = Answer(Verdict.DOWN, reason="401 for ann@example.com")


class Peer:
    """A provider that answers by address, when it may."""

    def __init__(self, at_once: int = 10, calls: int = 1) -> None:
        self.at_once, self.calls = at_once, calls
        self.answers: dict[str, Answer] = {}
        self.otherwise = SENT
        self.asked: list[list[str]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.closed = False

    async def send(self, texts: Sequence[Outgoing]) -> list[Answer]:
        self.asked.append([each.address for each in texts])
        await self.may_answer.wait()
        return [self.answers.get(each.address, self.otherwise) for each in texts]

    async def close(self) -> None:
        self.closed = True


class Desk:
    """A courier with whom texts wait under the names of their addresses."""

    def __init__(self, peer: Peer) -> None:
        self.peer, self.now_s = peer, 0.0
        self.became: dict[str, Delivery] = {}
        self.again_s: dict[str, float] = {}
        self.fault: Exception | None = None
        self.may_tell = asyncio.Event()
        self.may_tell.set()
        self.courier = Courier(peer, self.find, self.tell, lambda: self.now_s)

    def take(self, *addresses: str) -> None:
        for each in addresses:
            self.courier.take(Ticket(0, each.encode(), f"email {each}", f"{each} 1", "kin"))

    def find(self, ticket: Ticket) -> Ready | Failed | None:
        address = ticket.key.decode()
        named: dict[str, Any] = {
            "message": address,
            "notification": "n",
            "recipient": address,
            "channel": Channel.EMAIL,
        }
        if address == "nowhere":
            return Failed(**named, attempt=ticket.attempt, reason="it could not be written")
        return Ready(ticket, text(address), named)

    async def tell(self, became: Became) -> None:
        await self.may_tell.wait()
        if self.fault is not None:
            raise self.fault
        self.became |= {ticket.key.decode(): each for ticket, each in became}
        for ticket, each in became:
            if isinstance(each, Failed) and each.again:
                self.again_s[ticket.key.decode()] = self.now_s + each.after

    def due(self) -> list[str]:
        """Return what is to be tried again by now, and forget that it is."""
        due = [address for address, at_s in self.again_s.items() if at_s <= self.now_s]
        for each in due:
            del self.again_s[each]
        return due

    def kept(self) -> set[str]:
        """Return what is to be tried again, and be it for ever."""
        return {
            address
            for address, each in self.became.items()
            if isinstance(each, Failed) and each.again and not each.counts
        }

    def sent(self) -> set[str]:
        return {address for address, each in self.became.items() if isinstance(each, Sent)}


def text(address: str) -> Outgoing:
    return Outgoing(
        id=address,
        channel=Channel.EMAIL,
        address=address,
        subject="",
        text="",
        thread="",
        device="home",
        rule="grid_lost",
        kind=Kind.FIRED,
        severity=Severity.WARNING,
        at=DAWN,
        useful_until=DAWN,
    )


async def rest() -> None:
    """Let everybody do what can be done now."""
    for _ in range(100):
        await asyncio.sleep(0)


def live(act: Callable[[Desk], Awaitable[None]], at_once: int = 10, calls: int = 1) -> Desk:
    """Return the desk after ``act``, in which its courier runs and is ended; nothing is left."""

    async def lived() -> Desk:
        desk = Desk(Peer(at_once, calls))
        running = asyncio.create_task(desk.courier.run())
        await act(desk)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert desk.peer.closed
        return desk

    return asyncio.run(lived())


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
    assert {each[:3] for each in world.suppressed} == {(Channel.SMS, "+15550100", "STOP")}
