"""The notification service on the device: what the servers do not take in time, it texts.

A decision that no drained point covers within ``handoff`` is claimed: the shipper stops and its
producer is destroyed, the claim is spooled, and only then is anything texted.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from edge import active_log, handover
from edge.active_log import ActiveLog
from edge.handover import Untold
from edge.ledger import Ledger
from edge.sim800.modem import Modem
from edge.spool import CorruptError, SpoolError
from edge.texting import Texting
from schemas import gsm
from schemas.decision import Decision, Kind
from schemas.delivery import Channel
from tables import wording

AT_A_START = 3  # a start gives the servers at least this part of ``handoff``
RETRY_S = 5.0
LONGEST_WAIT_S = 3_600.0

log = structlog.get_logger()


class Shipping(Protocol):
    """What ships, and can be made to stop: ``edge.ship.Shipper``."""

    def withdrawn(self) -> AbstractAsyncContextManager[None]:
        """Hand nothing over within the block."""


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
        self._texting = None if modem is None else Texting(ledger, modem, now, self._stored)
        self._numbers = numbers
        self._handoff_s = handoff.total_seconds()
        self._now = now
        self._deadlines: dict[str, float] = {}
        self._first = True

    async def run(self) -> None:
        """Claim and text, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._claims())
            if self._texting is not None:
                tasks.create_task(self._texting.run())

    async def _claims(self) -> None:
        while True:
            self._changed.clear()
            self._ledger.answer(self._now())
            await self._stored()
            overdue = self._overdue()
            if overdue:
                async with self._shipping.withdrawn():
                    await self._claim([each for each in self._overdue() if each in overdue])
                self._wake_texting()
            else:
                self._wake_texting()
                await self._until_due()

    def _wake_texting(self) -> None:
        if self._texting is not None:
            self._texting.wake()

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
            except CorruptError:  # only the next start sets it aside
                raise
            except SpoolError:  # the loop beside it says so, once a minute
                await asyncio.sleep(RETRY_S)
            else:
                return

    def _overdue(self) -> list[Untold]:
        """Return what the servers did not take in time, and still helps."""
        loop_s = asyncio.get_running_loop().time()
        known, now = self._ledger.handing.untold, self._now()
        deadlines = {each.decision.id: self._deadline(each, loop_s, now) for each in known}
        self._deadlines, self._first = deadlines, False
        if self._texting is None or not self._numbers:
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
        if self._texting is None:
            return {"outcome": "failed", "reason": "there is no [modem] in the configuration"}
        return await self._texting.test(number, text)

    def reply(self, number: str, text: str) -> None:
        """Text ``text`` to ``number`` once, when nothing else is due and the caps allow it."""
        if self._texting is not None:
            self._texting.reply(number, text)

    def acknowledge(self, number: int) -> bool:
        """Take note that people know of claim ``number``; return whether there is one."""
        self._ledger.handing, found = handover.acknowledged(self._ledger.handing, number)
        if found is not None:
            self._ledger.log(active_log.acknowledged(found, self._now()))
            self._changed.set()
        return found is not None
