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
from edge.sim800.modem import Modem, Outcome, Settings
from edge.sim800.pdu import submit
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


async def replugged(away_s: float) -> float:
    """Return the seconds from when an idle modem is back until what waited for it is sent."""
    with tempfile.TemporaryDirectory() as place, Simulator(Path(place) / "modem") as sim:
        modem = Modem(Settings(port=str(sim.path)), lambda _pdu: None)
        running = asyncio.create_task(modem.run())
        await modem.ready()
        sim.unplug()
        await asyncio.sleep(away_s)
        sim.plug()
        back_s = time.monotonic()
        while True:
            await modem.ready()
            result = await modem.send(submit("+15550100", "text", 1, report=False), lambda: None)
            if result.outcome is Outcome.SENT:
                break
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return sim.sent[0].at - back_s


async def interrupted(latency_s: float) -> float:
    """Return the seconds from an unplugging just after Ctrl-Z until the text is called unknown."""
    with tempfile.TemporaryDirectory() as place, Simulator(Path(place) / "modem") as sim:
        sim.core.latency_s = latency_s
        modem = Modem(Settings(port=str(sim.path)), lambda _pdu: None)
        running = asyncio.create_task(modem.run())
        await modem.ready()
        sending = asyncio.create_task(
            modem.send(submit("+15550100", "text", 1, report=False), lambda: None)
        )
        while not sim.sent:
            await asyncio.sleep(0.005)
        sim.unplug()
        gone_s = time.monotonic()
        result = await sending
        known_s = time.monotonic()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        if result.outcome is not Outcome.UNKNOWN:
            raise RuntimeError(f"it is called {result.outcome}")
        return known_s - gone_s


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
