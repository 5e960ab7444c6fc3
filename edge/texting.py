"""Texts what the device has claimed, and the answers to what people text; one after another.

A text that was not sent waits by itself: the others go on. Only what is wrong with the modem, its
SIM or the network holds them all up.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import msgspec
import structlog

from edge import handover
from edge.config_sections import ModemConfig
from edge.job import Job, Text, tried
from edge.ledger import Ledger
from edge.replies import Replies
from edge.sim800.modem import Modem, Outcome, Result, Settings, State
from edge.sim800.pdu import Part, submit
from edge.spool import SpoolError
from schemas import gsm

RETRY_S = 5.0
READY_S = 60.0  # of a modem that has only just been opened
NEVER_S = float("inf")
REFERENCES = 256  # of long texts: one octet
NO_NETWORK = frozenset({"CMS 331", "CME 30"})  # 3GPP TS 27.005, 3.2.5; 27.007, 9.2

log = structlog.get_logger()


class WithdrawnError(Exception):
    """The text is not ours to send any more."""


class Texting:
    """Sends by one modem."""

    def __init__(
        self,
        ledger: Ledger,
        modem: Modem,
        now: Callable[[], datetime],
        stored: Callable[[], Awaitable[None]],
    ) -> None:
        """Send what ``ledger`` has claimed; ``stored`` returns once all of it is stored."""
        self._ledger = ledger
        self._modem = modem
        self._now = now
        self._stored = stored
        self._replies = Replies()
        self._woken = asyncio.Event()
        self._not_before_s: dict[tuple[int, str], float] = {}  # by claim and number
        self._rests_until_s = 0.0
        self._reference = random.randrange(REFERENCES)  # noqa: S311 - so that restarts differ

    def wake(self) -> None:
        """Look again at what there is to send."""
        self._woken.set()

    async def test(self, number: str, text: str) -> dict[str, str]:
        """Text ``text`` to ``number`` now, and return what became of it."""
        if self._modem.status.state is not State.READY:
            return {"outcome": "not_sent", "reason": self._modem.status.trouble or "not ready"}
        result = await self._modem.send(self._parts(number, text), lambda: None)
        return {"outcome": str(result.outcome), "reason": result.reason}

    def reply(self, number: str, text: str) -> None:
        """Text ``text`` to ``number`` once, when nothing else is due and the caps allow it."""
        self._replies.add(number, text)
        self.wake()

    async def run(self) -> None:
        """Send, for ever."""
        while True:
            await self._until_due()
            await self._modem.ready()
            self._ledger.answer(self._now())  # the modem may have been away for days
            await self._stored()
            now_s = _now_s()
            found, due_s = self._next()
            if found is not None and due_s <= now_s:  # else the link is up again meanwhile
                await self._text(*found)
            elif (reply := self._replies.take(now_s)) is not None:
                await self._modem.send(self._parts(*reply), lambda: None)

    async def _until_due(self) -> None:
        while (due_s := self._due_s()) > _now_s():
            self._woken.clear()
            try:
                async with asyncio.timeout_at(due_s if due_s < NEVER_S else None):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def _due_s(self) -> float:
        """Return when there is something to send."""
        _, text_s = self._next()
        reply_s = self._replies.due_s()
        due_s = text_s if reply_s is None else min(text_s, reply_s)
        return max(due_s, self._rests_until_s)

    def _next(self) -> tuple[tuple[Job, Text] | None, float]:
        """Return the text that may be sent first, and from when on: what was tried goes last."""
        waiting = [
            (self._not_before_s.get((job.number, text.number), 0.0), (job, text))
            for job, text in handover.to_send(self._ledger.handing)
        ]
        due_s, found = min(waiting, key=lambda each: each[0], default=(NEVER_S, None))
        return found, due_s

    def _parts(self, number: str, text: str) -> tuple[Part, ...]:
        self._reference = (self._reference + 1) % REFERENCES
        return submit(number, gsm.fitted(gsm.readable(text)), self._reference, report=True)

    async def _text(self, job: Job, text: Text) -> None:
        parts = self._parts(text.number, job.body)
        try:
            result = await self._modem.send(parts, lambda: self._written(job, text))
        except (WithdrawnError, SpoolError) as error:
            log.info("text_withheld", reason=str(error))
            await asyncio.sleep(RETRY_S)
            return
        outcome, reason = str(result.outcome), result.reason
        log.info("texted", rule=job.decision.rule, outcome=outcome, reason=reason)
        self._ledger.texted(job.number, tried(job, text, result), self._now())
        self._put_off(job, text, result)
        await self._stored()

    def _put_off(self, job: Job, text: Text, result: Result) -> None:
        """Let ``text`` wait as ``result`` says; and all of them, if it is about them all."""
        now_s, pause_s = _now_s(), result.retry_in_s
        left = {(job.number, text.number) for job, text in handover.to_send(self._ledger.handing)}
        times = self._not_before_s | {(job.number, text.number): now_s + pause_s}
        self._not_before_s = {place: at_s for place, at_s in times.items() if place in left}
        if result.outcome is Outcome.NOT_SENT:
            for_all = result.route_down or result.reason in NO_NETWORK
            self._rests_until_s = now_s + (pause_s if for_all else min(pause_s, RETRY_S))

    def _written(self, job: Job, text: Text) -> None:
        """Store that ``text`` may have been sent from here on.

        Raises:
            WithdrawnError: it is not to be. SpoolError: it cannot be stored.
        """
        now = handover.text_of(self._ledger.handing, job.number, text.number)
        if now is None or now.outcome is not None:
            raise WithdrawnError("the servers have it")
        if not now.written:
            written = msgspec.structs.replace(now, written=True)
            self._ledger.texted(job.number, written, self._now())
            try:
                self._ledger.commit()
            except SpoolError:
                self._ledger.texted(job.number, now, self._now())
                raise


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def settings(modem: ModemConfig, spool: Path) -> Settings:
    """Return how ``modem`` is to be run; which PIN was refused is kept beside ``spool``."""
    pins = spool.with_name(f"{spool.name}.pin")
    return Settings(**msgspec.structs.asdict(modem), pins=pins)


async def text_once(modem: Settings, number: str, text: str) -> dict[str, str]:
    """Open ``modem``, text ``text`` to ``number``, and return what became of it."""
    opened = Modem(modem, lambda _pdu: None)
    keeping = asyncio.create_task(opened.run())
    try:
        async with asyncio.timeout(READY_S):
            await opened.ready()
        parts = submit(number, gsm.fitted(gsm.readable(text)), 0, report=False)
        result = await opened.send(parts, lambda: None)
    except TimeoutError:
        return {"outcome": "not_sent", "reason": opened.status.trouble or "it does not get ready"}
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    return {"outcome": str(result.outcome), "reason": result.reason}
