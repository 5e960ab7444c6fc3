"""A device with a modem, of which nobody takes anything."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from app.sim800 import Simulator
from edge.commands import Commands
from edge.ledger import Ledger
from edge.offline import Offline
from edge.parse import TransitionLine
from edge.sim800.modem import Modem, Settings
from edge.spool import Spool
from schemas import topics
from schemas.events import Source
from tests.events import rule

NUMBER, OTHER, STRANGER = "+380441234567", "+380441234568", "+15550199"
LOST = 'name="lost"\nstream="transitions"\nwhen={field="source",not_equals="grid"}\nfor="1s"\n'
WITHIN_S = 20.0


class Shipping:
    """A shipper that only says how often it was made to stop."""

    def __init__(self) -> None:
        self.withdrawals = 0

    @asynccontextmanager
    async def withdrawn(self) -> AsyncIterator[None]:
        self.withdrawals += 1
        yield


class Home:
    """A device whose grid was lost a moment ago, and a modem; nobody takes anything."""

    def __init__(self, folder: Path, sim: Simulator, more: str = 'severity="warning"') -> None:
        self.folder, self.sim = folder, sim
        self.shipping = Shipping()
        self.numbers: tuple[str, ...] = (NUMBER,)
        self.commands: Commands
        self._rule = rule(f"{LOST}{more}\nrepeat=false")

    def run(self, work: Callable[["Home"], Awaitable[Any]], handoff_s: float = 0.3) -> Any:
        """Return what ``work`` returns while everything runs; what is spooled stays."""

        async def running() -> Any:
            with Spool(self.folder / "spool", "home") as spool:
                self.ledger = Ledger("home", "r", spool)
                self.modem = Modem(Settings(port=str(self.sim.path)), self._heard)
                self.offline = Offline(
                    self.ledger,
                    self.shipping,
                    self.modem,
                    self.numbers,
                    timedelta(seconds=handoff_s),
                    lambda: datetime.now(UTC),
                    self.folder,
                )
                self.commands = Commands(
                    [NUMBER], self.offline.reply, self.offline.acknowledge, lambda: "all is well"
                )
                tasks = [asyncio.create_task(each.run()) for each in (self.modem, self.offline)]
                try:
                    async with asyncio.timeout(WITHIN_S):
                        return await work(self)
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)

        return asyncio.run(running())

    def lose_the_grid(self) -> None:
        now = datetime.now(UTC)
        self.ledger.follow((self._rule,), now - timedelta(seconds=9))
        line = TransitionLine(1, now - timedelta(seconds=5), {}, Source.GRID, Source.INVERTER)
        self.ledger.add(self.ledger.stamper.line(line, line.at))
        self.ledger.add(self.ledger.stamper.tick(topics.TRANSITIONS, now))
        self.ledger.commit()

    def take(self) -> None:
        """Let the servers have everything."""
        rows = self.ledger.spool.read(99, topics.TRANSITIONS)
        last = rows[-1]
        self.ledger.acknowledged(topics.TRANSITIONS, last.id, last.seq, last.seq)

    def records(self, kind: str) -> list[dict[str, Any]]:
        with Spool(self.folder / "spool", "home") as spool:
            values = [msgspec.json.decode(row.value) for row in spool.read(99)]
        return [value for value in values if value["type"] == kind]

    def _heard(self, pdu: str) -> None:
        self.commands.heard(pdu)


async def eventually(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.01)


async def answered(home: Home) -> None:
    """Return when all claims are answered, and that is stored."""
    await eventually(lambda: home.ledger.handing.claims > 0 and not home.ledger.handing.jobs)
    await eventually(lambda: not home.ledger.handing.unlogged)
