"""A pump over a folder, without a clock of its own. Times are seconds from START."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edge.ledger import Ledger
from edge.pump import Pump
from edge.spool import Spool
from edge.tail import Tail
from tables.rules import Rule
from tests.edge.logs import at, records
from tests.events import rule

TICK = timedelta(seconds=15)
SETTLE_S = 2
LOST = rule(
    'name="lost"\nstream="transitions"\nwhen={field="source",not_equals="grid"}\nfor="10s"\n'
    'clear_for="5s"\nreset="60s"'
)


class Bench:
    """A pump over a folder, whose clock is the test's."""

    def __init__(self, folder: Path, spool: Spool, *rules: Rule) -> None:
        tail = Tail(folder, spool.positions, UTC, SETTLE_S)
        self.ledger = Ledger("home", "r", spool)
        self.pump = Pump(tail, self.ledger, TICK, rules)
        self._spool = spool
        self._seen = len(records(spool))

    def step(self, second: float) -> list[tuple[str, str, float]]:
        """Step at ``second``; return stream, type and second of each new record."""
        self.pump.step(second, at(second - SETTLE_S))
        new = records(self._spool)[self._seen :]
        self._seen += len(new)
        return [(topic, record["type"], second_of(record)) for topic, record in new]


def second_of(record: dict[str, Any]) -> float:
    if "ts" not in record:
        return -1
    return (datetime.fromisoformat(record["ts"]) - at(0)).total_seconds()
