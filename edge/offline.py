"""The notification service on the device: what the servers do not take in time, it texts.

A decision that no drained point covers within ``handoff`` is claimed: the shipper stops and its
producer is destroyed, the claim is spooled, and only then is anything texted.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec
import structlog

from edge import active_log, handover
from edge.active_log import ActiveLog
from edge.config_sections import ModemConfig
from edge.handover import Job, Text, Untold
from edge.ledger import Ledger
from edge.sim800.modem import Modem, Outcome, Result, Settings, State
from edge.sim800.pdu import Part, submit
from edge.spool import SpoolError
from schemas import gsm
from schemas.decision import Decision, Kind, Severity
from schemas.delivery import Channel
from schemas.events import Texted
from tables import wording

AT_A_START = 3  # a start gives the servers at least this part of ``handoff``
RETRY_S = 5.0
LONGEST_WAIT_S = 3_600.0
REPLIES = 10
READY_S = 60.0  # of a modem that has only just been opened
REFERENCES = 256  # of long texts: one octet

log = structlog.get_logger()


class Shipping(Protocol):
    """What ships, and can be made to stop: ``edge.ship.Shipper``."""

    def withdrawn(self) -> AbstractAsyncContextManager[None]:
        """Hand nothing over within the block."""


class WithdrawnError(Exception):
    """The text is not ours to send any more."""


class Offline:
    """Claims and texts, and answers those who text."""

    def __init__(
        self,
        ledger: Ledger,
        shipping: Shipping,
        modem: Modem | None,
        numbers: tuple[str, ...],
        handoff: timedelta,
        now: Callable[[], datetime],
        logs: Path,
    ) -> None:
        """Text ``numbers`` by ``modem``; ``now``: to when the streams have come.

        logs: the folder of activeNotifications.log.
        """
        self._log = ActiveLog(logs)
        self._changed = asyncio.Event()
        ledger.changed = self._changed.set
        self._ledger = ledger
        self._shipping = shipping
        self._modem = modem
        self._numbers = numbers
        self._handoff_s = handoff.total_seconds()
        self._now = now
        self._replies: deque[tuple[str, str]] = deque(maxlen=REPLIES)
        self._deadlines: dict[str, float] = {}
        self._first = True
        self._texts = asyncio.Event()
        self._reference = random.randrange(REFERENCES)  # noqa: S311 - so that restarts differ

    async def run(self) -> None:
        """Claim and text, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._claims())
            if self._modem is not None:
                tasks.create_task(self._send(self._modem))

    async def _claims(self) -> None:
        while True:
            self._changed.clear()
            self._ledger.answer(self._now())
            await self._stored()
            overdue = self._overdue()
            if overdue:
                async with self._shipping.withdrawn():
                    await self._claim([each for each in self._overdue() if each in overdue])
                self._texts.set()
            else:
                self._texts.set()
                await self._until_due()

    async def _claim(self, overdue: list[Untold]) -> None:
        for untold in overdue:
            rule = self._ledger.decider.rule(untold.decision)
            gone = timedelta() if rule is None else rule.clear_for
            text = wording.text(untold.decision, gone)
            number = self._ledger.handing.claims + 1
            body = gsm.fitted(gsm.readable(f"#{number} {text}"))
            self._ledger.claim(untold, self._numbers, body, self._now())
            log.warning("claimed", rule=untold.decision.rule, kind=str(untold.decision.kind))
        await self._stored()

    async def _stored(self) -> None:
        """Return when everything is stored, and logged; try again as long as it cannot be."""
        while True:
            try:
                self._ledger.commit()
                self._log.write(self._ledger)
            except SpoolError as error:
                log.error("spool_failed", reason=str(error))  # noqa: TRY400 - its sentence says it all
                await asyncio.sleep(RETRY_S)
            else:
                return

    def _overdue(self) -> list[Untold]:
        """Return what the servers did not take in time, and still helps."""
        loop_s = asyncio.get_running_loop().time()
        known, now = self._ledger.handing.untold, self._now()
        deadlines = {each.decision.id: self._deadline(each, loop_s, now) for each in known}
        self._deadlines, self._first = deadlines, False
        if self._modem is None or not self._numbers:
            return []
        return [
            each
            for each in known
            if deadlines[each.decision.id] <= loop_s
            and self._wanted(each.decision)
            and now <= each.useful_until
            and not handover.silenced(self._ledger.handing, each.decision)
            and not handover.unheard(self._ledger.handing, each.decision)
        ]

    def _wanted(self, decision: Decision) -> bool:
        """Return whether its rule is told by text, and what it ends too."""
        rule = self._ledger.decider.rule(decision)
        if rule is None:
            return True
        ends = decision.kind is Kind.RESOLVED
        return Channel.SMS in rule.channels and (rule.notify_resolved or not ends)

    def _deadline(self, untold: Untold, loop_s: float, now: datetime) -> float:
        known = self._deadlines.get(untold.decision.id)
        if known is not None:
            return known
        waited_s = max(0.0, (now - untold.at).total_seconds())
        least_s = self._handoff_s / AT_A_START if self._first else self._handoff_s
        return loop_s + max(least_s, self._handoff_s - waited_s)

    async def _until_due(self) -> None:
        loop_s = asyncio.get_running_loop().time()
        later = [each for each in self._deadlines.values() if each > loop_s]
        wait_s = min(later, default=loop_s + LONGEST_WAIT_S) - loop_s
        try:
            async with asyncio.timeout(wait_s):
                await self._changed.wait()
        except TimeoutError:
            return

    def deadlines(self) -> dict[str, float]:
        """Return in how many seconds each decision is the device's, by id, if nobody takes it."""
        loop_s = asyncio.get_running_loop().time()
        return {identity: at_s - loop_s for identity, at_s in self._deadlines.items()}

    async def test(self, number: str, text: str) -> dict[str, str]:
        """Text ``text`` to ``number`` now, and return what became of it."""
        if self._modem is None:
            return {"outcome": "failed", "reason": "there is no [modem] in the configuration"}
        if self._modem.status.state is not State.READY:
            return {"outcome": "not_sent", "reason": self._modem.status.trouble or "not ready"}
        result = await self._modem.send(self._parts(number, text), lambda: None)
        return {"outcome": str(result.outcome), "reason": result.reason}

    def reply(self, number: str, text: str) -> None:
        """Text ``text`` to ``number`` when there is nothing else to text; once, whatever comes."""
        self._replies.append((number, text))
        self._texts.set()

    def acknowledge(self, number: int) -> bool:
        """Take note that people know of claim ``number``; return whether there is one."""
        self._ledger.handing, found = handover.acknowledged(self._ledger.handing, number)
        if found is not None:
            self._ledger.log(active_log.acknowledged(found, self._now()))
            self._changed.set()
        return found is not None

    async def _send(self, modem: Modem) -> None:
        while True:
            self._texts.clear()
            if handover.next_text(self._ledger.handing) is None and not self._replies:
                await self._texts.wait()
                continue
            await modem.ready()
            found = handover.next_text(self._ledger.handing)
            if found is not None:  # else the link is up again meanwhile
                await self._text(modem, *found)
            elif self._replies:
                await modem.send(self._parts(*self._replies.popleft()), lambda: None)

    def _parts(self, number: str, text: str) -> tuple[Part, ...]:
        self._reference = (self._reference + 1) % REFERENCES
        return submit(number, gsm.fitted(gsm.readable(text)), self._reference, report=True)

    async def _text(self, modem: Modem, job: Job, text: Text) -> None:
        parts = self._parts(text.number, job.body)
        try:
            result = await modem.send(parts, lambda: self._written(job, text))
        except (WithdrawnError, SpoolError) as error:
            log.info("text_withheld", reason=str(error))
            await asyncio.sleep(RETRY_S)
            return
        after = self._after(job, text, result)
        self._ledger.texted(job.number, after, self._now())
        await self._stored()
        if result.retry_in_s:
            await self._rest(result.retry_in_s)

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

    def _after(self, job: Job, text: Text, result: Result) -> Text:
        """Return ``text`` once its sending came out as ``result``."""
        replace = msgspec.structs.replace
        log.info(
            "texted", rule=job.decision.rule, outcome=str(result.outcome), reason=result.reason
        )
        match result.outcome:
            case Outcome.SENT:
                outcome: Texted | None = Texted.SENT
            case Outcome.UNKNOWN:
                # What is critical is sent once more: twice is better than never.
                again = job.decision.severity is Severity.CRITICAL and not text.reason
                outcome = None if again else Texted.UNKNOWN
            case Outcome.FAILED:
                outcome = Texted.HANDED_BACK
            case Outcome.NOT_SENT:
                outcome = None if self._now() <= job.useful_until else Texted.HANDED_BACK
        return replace(
            text,
            written=False,
            outcome=outcome,
            references=result.references,
            reason=result.reason if result.outcome is not Outcome.NOT_SENT else text.reason,
        )

    async def _rest(self, seconds: float) -> None:
        """Return after ``seconds``, or when there is nothing to send any more."""
        deadline_s = asyncio.get_running_loop().time() + seconds
        while (left_s := deadline_s - asyncio.get_running_loop().time()) > 0:
            if handover.next_text(self._ledger.handing) is None:
                return
            await asyncio.sleep(min(left_s, RETRY_S))


async def text_once(modem: ModemConfig, number: str, text: str) -> dict[str, str]:
    """Open ``modem``, text ``text`` to ``number``, and return what became of it."""
    opened = Modem(Settings(**msgspec.structs.asdict(modem)), lambda _pdu: None)
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
