"""A courier, what it sends by, and whom it tells."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from agents.courier import Became, Courier, Ready, Ticket
from app.providers.provider import Answer, Outgoing, Verdict
from schemas.decision import Kind, Severity
from schemas.delivery import Channel, Delivery, Failed, Sent
from tests.tables.outboxes import DAWN

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
