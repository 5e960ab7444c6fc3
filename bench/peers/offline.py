"""A decision that nobody takes, on a device with a simulated modem: how late is its AT+CMGS."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.sim800 import Simulator
from edge.ledger import Ledger
from edge.offline import Offline
from edge.parse import TransitionLine
from edge.sim800.modem import Modem, Settings
from edge.spool import Spool
from schemas.events import Source
from tables.rules import default

HANDOFF_S = 1.0


class Nowhere:
    """A shipper that reaches nobody."""

    @asynccontextmanager
    async def withdrawn(self) -> AsyncIterator[None]:
        """Hand nothing over within the block."""
        yield


async def overhead(latency_s: float) -> float:
    """Return the seconds from when a decision is the device's to tell until AT+CMGS is written."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with Simulator(folder / "modem") as sim, Spool(folder / "spool", "bench") as spool:
            sim.core.latency_s = latency_s
            ledger = Ledger("bench", "r", spool)
            modem = Modem(Settings(port=str(sim.path)), lambda _pdu: None)
            span = timedelta(seconds=HANDOFF_S)
            offline = Offline(ledger, Nowhere(), modem, ("+15550100",), span, _now, folder)
            tasks = [asyncio.create_task(each.run()) for each in (modem, offline)]
            await modem.ready()
            decided_s = _decide(ledger)
            while not sim.asked_at:
                await asyncio.sleep(0.01)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            return sim.asked_at[0] - decided_s - HANDOFF_S


def _decide(ledger: Ledger) -> float:
    """Let the battery of nobody be lost at once; return the monotonic second of the decision."""
    rules = [rule for rule in default() if rule.name == "source_none"]
    ledger.follow(rules, _now() - timedelta(seconds=30))
    line = TransitionLine(1, _now() - timedelta(seconds=20), {}, Source.GRID, Source.NONE)
    ledger.add(ledger.stamper.line(line, line.at))
    ledger.add(ledger.stamper.tick("transitions", _now()))
    ledger.commit()
    return time.monotonic()


def _now() -> datetime:
    return datetime.now(UTC)
