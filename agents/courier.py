"""Hands texts to a provider, outside the stream loop: a few side by side, everybody in turn.

Slow I/O holds up no batch and no rebalance. Who waits is a name; what is sent is read from the
table when its turn comes, so that a hundred thousand that wait cost little.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec
import structlog

from agents.stopping import STOPPED_S, Stopping
from app.masking import masked_in
from app.providers.provider import Answer, Outgoing, Provider, Verdict
from schemas import gsm
from schemas.delivery import Channel, Delivery, Failed, Sent, Unknown

log = structlog.get_logger()
DEADLINE_S = 90.0  # beyond which a provider that breaks its word is not waited for


class Ticket(msgspec.Struct, frozen=True):
    """A text whose turn will come. kin: those it takes turns with come one after the other."""

    partition: int
    key: bytes
    contact: str
    attempt: str
    kin: str


class Ready(msgspec.Struct, frozen=True):
    """A text whose turn has come, and how a record of what becomes of it begins."""

    ticket: Ticket
    outgoing: Outgoing
    named: dict[str, Any]


Find = Callable[[Ticket], Ready | Delivery | None]
Became = list[tuple[Ticket, Delivery]]
Tell = Callable[[Became], Coroutine[Any, Any, None]]


class Turns:
    """Who waits, kin by kin: ten thousand of one outage keep nobody else waiting."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._waiting: dict[str, deque[Ticket]] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return self._count

    def add(self, ticket: Ticket) -> None:
        """Let ``ticket`` wait behind its kin."""
        self._waiting.setdefault(ticket.kin, deque()).append(ticket)
        self._count += 1

    def next(self) -> Ticket:
        """Return whose turn it is; the kin of that one are last now."""
        kin, waiting = next(iter(self._waiting.items()))
        ticket = waiting.popleft()
        self._count -= 1
        del self._waiting[kin]
        if waiting:
            self._waiting[kin] = waiting
        return ticket


class Courier:
    """Sends the texts of one channel."""

    def __init__(
        self,
        provider: Provider,
        find: Find,
        tell: Tell,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Send by ``provider`` what ``find`` finds, and ``tell`` what became of it.

        find: the text that a ticket names; or what became of it already, if it is not to be sent;
        or None, if it is not ours any more.
        """
        self._provider = provider
        self._find = find
        self._tell = tell
        self._clock = clock
        self._turns = Turns()
        self._woken = asyncio.Event()
        self._stopping = Stopping()
        self._trying = False  # one text finds out whether the channel goes: the others wait
        self.running: set[str] = set()  # attempts that wait, or fly, or whose end is not folded

    def take(self, ticket: Ticket) -> None:
        """Send what ``ticket`` names when its turn comes."""
        self.running.add(ticket.attempt)
        self._turns.add(ticket)
        self._woken.set()

    async def run(self) -> None:
        """Send for ever; when that is ended, say goodbye to the provider."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._provider.calls):
                    group.create_task(self._work(group))
        finally:
            await self._provider.close()

    async def _work(self, group: asyncio.TaskGroup) -> None:
        """Send for ever; what became of one call is told while the next is under way."""
        told: asyncio.Task[None] | None = None
        while True:
            while self._trying or not self._turns:
                self._woken.clear()
                await self._woken.wait()
            now_s = self._clock()
            ready, became = self._ready(now_s)
            if ready:
                became += await self._sent(ready, now_s)
            if became:
                if told is not None:
                    await told  # so that a crash leaves no more than two calls unknown
                told = group.create_task(self._tell(became))
            else:
                await asyncio.sleep(0)

    def _ready(self, now_s: float) -> tuple[list[Ready], Became]:
        """Return what is to be sent in one call, and what became of texts that are not."""
        ready: list[Ready] = []
        became: Became = []
        most = self._most(now_s)
        while self._turns and len(ready) + len(became) < most:
            ticket = self._turns.next()
            found = self._find(ticket)
            if found is None:  # its partition is another's by now
                self.running.discard(ticket.attempt)
            elif isinstance(found, Ready):
                ready.append(found)
            else:
                became.append((ticket, found))
        return ready, became

    def _most(self, now_s: float) -> int:
        if self._stopping.in_doubt(now_s):
            return 1
        # No more than its share: the others that send would stand idle meanwhile.
        share = -(-len(self._turns) // self._provider.calls)
        return min(share, self._provider.at_once)

    async def _sent(self, ready: Sequence[Ready], now_s: float) -> Became:
        """Return what became of ``ready``, which is one text while the channel is in doubt."""
        if not self._stopping.lets(ready[0].outgoing.address, now_s):
            answers: Sequence[Answer] = [
                Answer(Verdict.DOWN, reason="the channel is stopped")
            ] * len(ready)
        elif self._stopping.in_doubt(now_s):
            answers = await self._tried(ready)
        else:
            answers = await self._asked(ready)
        became = zip(ready, answers, strict=True)
        return [(each.ticket, outcome(each, answer)) for each, answer in became]

    async def _tried(self, ready: Sequence[Ready]) -> Sequence[Answer]:
        self._trying = True
        try:
            return await self._asked(ready)
        finally:
            self._trying = False
            self._woken.set()

    async def _asked(self, ready: Sequence[Ready]) -> Sequence[Answer]:
        texts = [each.outgoing for each in ready]
        answers: Sequence[Answer]
        try:
            async with asyncio.timeout(DEADLINE_S):
                answers = await self._provider.send(texts)
        except TimeoutError:
            answers = [Answer(Verdict.UNKNOWN, reason="no answer")] * len(texts)
        except Exception as error:  # a provider's fault is no text's: each may have been sent
            log.exception("provider_failed")
            answers = [Answer(Verdict.UNKNOWN, reason=repr(error))] * len(texts)
        said = self._stopping.heard([each.address for each in texts], answers, self._clock())
        for text, answer, meant in zip(texts, answers, said, strict=True):
            if answer.verdict is Verdict.DOWN:  # one line for each call
                stopped = meant.verdict is Verdict.DOWN
                event = "channel_stopped" if stopped else "address_stopped"
                reason = masked_in(answer.reason, text.channel, text.address)
                log.critical(event, channel=text.channel, reason=reason)
                break
        return said


def outcome(ready: Ready, answer: Answer) -> Delivery:
    """Return the record of what became of a text."""
    named = ready.named | {"attempt": ready.ticket.attempt}
    match answer.verdict:
        case Verdict.SENT:
            return Sent(**named, reference=answer.reference, **_paid_by(ready.outgoing))
        case Verdict.UNKNOWN:
            return Unknown(**named, reason=answer.reason)
        case Verdict.REFUSED:
            return Failed(**named, reason=answer.reason, dead=answer.dead)
        case Verdict.RETRY:
            after = answer.after_s or 0.0
            return Failed(**named, reason=answer.reason, again=True, after=after)
        case Verdict.DOWN:
            return Failed(**named, reason=answer.reason, again=True, after=STOPPED_S, counts=False)


def _paid_by(outgoing: Outgoing) -> dict[str, Any]:
    if outgoing.channel is not Channel.SMS:
        return {}
    return gsm.size(outgoing.text)._asdict()
