"""Both sides of the hand-over and the link between them, without a thread or a clock.

The device's ledger and spool, and the servers' folds and routing, are the real ones; what is made
up is the link, the modem, and when anybody is killed.
"""

import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from edge.handover import Untold, acknowledged, silenced, to_send, unheard
from edge.job import Job, Text, tried
from edge.ledger import Ledger
from edge.parse import TransitionLine
from edge.ship import _appended
from edge.sim800.states import Outcome, Result
from edge.spool import Row, Spool
from schemas.decision import Decision
from schemas.events import Source, Texted
from schemas.handover import Claimed
from schemas.record import EPOCH
from tables.intake import RUNS
from tests.events import at
from tests.handover.server import NUMBER, REPEATING, RULE, STREAM, Server

HANDOFF = timedelta(seconds=20)


class Batch(msgspec.Struct):
    """What a producer was given. drained: the drained point in it, if there is one."""

    rows: list[Row]
    values: list[bytes]
    drained: int | None


class Catch:
    """A batch as the producer makes it: the values that go on the wire."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def append(self, *, timestamp: Any, key: bytes, value: bytes) -> bool:
        self.values.append(value)
        return True


class World:
    """The whole of it. now: seconds. texted: what really left the modem, by decision.

    flying: what a producer was given; stray: what an abandoned one was given, and may still land.
    """

    def __init__(self, folder: Path) -> None:
        self.now = 0.0
        self.server = Server()
        self.texted: Counter[str] = Counter()
        self.decided: dict[str, Decision] = {}
        self.flying: Batch | None = None
        self.stray: list[Batch] = []
        self.source = Source.GRID
        self._folder = folder
        self._starts = 0
        self._set = 0.0
        self._seen: dict[str, float] = {}
        self._open()
        self.ledger.follow((RULE, REPEATING), at(0))
        self._line(Source.GRID)

    def _open(self) -> None:
        self._starts += 1
        self.spool = Spool(self._folder / "spool", "home")
        self.spool._db.execute("PRAGMA synchronous = OFF")  # nobody cuts the power here
        self.ledger = Ledger("home", f"run-{self._starts}", self.spool)
        self.ledger.answer(self.time)
        self.commit()

    @property
    def time(self) -> datetime:
        return at(self.now)

    def commit(self) -> None:
        self.ledger.commit()
        for untold in self.ledger.handing.untold:
            self.decided[untold.decision.id] = untold.decision
            self._seen.setdefault(untold.decision.id, self.now)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with a tick on each deadline on the way."""
        until = self.now + seconds
        while (wake := self.ledger.decider.wake(STREAM)) is not None and wake <= at(until):
            self.now = max(self.now, (wake - at(0)).total_seconds())
            self.ledger.add(self.ledger.stamper.tick(STREAM, max(wake, self.time)))
        self.now = until
        self.ledger.add(self.ledger.stamper.tick(STREAM, self.time))
        self.commit()

    def change(self, to: Source) -> None:
        self._line(to)

    def _line(self, to: Source) -> None:
        line = TransitionLine(1, self.time, {}, self.source, to)
        self.source = to
        self.ledger.add(self.ledger.stamper.line(line, self.time))
        self.commit()

    def hand_over(self, most: int) -> None:
        """Give the producer the first rows, unless it waits for an answer."""
        rows = self.spool.read(most, STREAM)
        if self.flying is not None or not rows:
            return
        newest, catch = self.ledger.newest(STREAM), Catch()
        for row in rows:
            _appended(catch, row, newest)
        drained = newest if rows[-1].seq == newest else None
        if drained is not None:
            self.ledger.given[STREAM] = drained
        self.flying = Batch(rows, catch.values, drained)

    def arrive(self, batch: Batch) -> None:
        """Let the broker take ``batch``."""
        appended_ms = round((self.time - EPOCH).total_seconds() * 1_000)
        self.server.log += [(value, appended_ms) for value in batch.values]
        self.server.read()

    def acknowledge(self) -> None:
        """Let the broker take what flies, and the device hear of it."""
        batch, self.flying = self.flying, None
        if batch is not None:
            self.arrive(batch)
            last = batch.rows[-1]
            self.ledger.acknowledged(STREAM, last.id, last.seq, batch.drained)
            self.ledger.answer(self.time)
            self.commit()

    def lose(self) -> None:
        """Give up the producer: what it was given may have arrived, or may yet."""
        if self.flying is not None:
            self.stray.append(self.flying)
            self.flying = None

    def overdue(self) -> list[Untold]:
        handing = self.ledger.handing
        return [
            each
            for each in handing.untold
            if at(self._seen[each.decision.id]) + HANDOFF <= self.time <= each.useful_until
            and not silenced(handing, each.decision)
            and not unheard(handing, each.decision)
        ]

    def claim(self) -> None:
        """Claim what is overdue, as ``edge.offline`` does."""
        if self.overdue():
            self.lose()
            for untold in self.overdue():
                self.ledger.claim(untold, [NUMBER], "text", self.time)
            self.commit()

    @property
    def to_text(self) -> bool:
        return bool(to_send(self.ledger.handing))

    def give(self) -> tuple[Job, Text] | None:
        """Give the modem the next text that still helps: from here on it may have been sent."""
        self.ledger.answer(self.time)
        self.commit()
        if not self.to_text:
            return None
        job, text = to_send(self.ledger.handing)[0]
        assert self.time <= job.useful_until
        self.ledger.texted(job.number, msgspec.structs.replace(text, written=True), self.time)
        self.commit()
        return job, text

    def answer(self, job: Job, text: Text, outcome: Outcome) -> None:
        """Let the modem say what became of ``text``."""
        self.ledger.texted(job.number, tried(job, text, Result(outcome)), self.time)
        self.commit()

    def set_clock(self, seconds: float) -> None:
        """Let the clock turn out to be slow by so much; the servers' stands still meanwhile."""
        was, is_, since = self.time, at(self.now + seconds), at(self._set)
        untold = self.ledger.handing.untold
        waiting = {each.decision.id for each in untold if each.decision.at >= since}
        self.ledger.add(self.ledger.stamper.clock_set(was, is_, since))
        self.now += seconds
        self._set = self.now
        self._seen = {identity: second + seconds for identity, second in self._seen.items()}
        self.commit()
        assert waiting <= {each.decision.id for each in self.ledger.handing.untold}

    def people_acknowledge(self) -> None:
        """Let somebody say that the newest claim is known."""
        handing = self.ledger.handing
        self.ledger.handing, _ = acknowledged(handing, handing.claims)
        self.commit()

    def may_start(self) -> bool:
        """Return whether another start leaves what is on its way known: see ``intake.RUNS``."""
        batches = [*self.stray, *([self.flying] if self.flying else [])]
        rows = [*self.spool.read(1, STREAM), *(each.rows[0] for each in batches)]
        runs = [int(json.loads(row.value)["run"].partition("-")[2]) for row in rows]
        return self._starts + 1 - min(runs, default=self._starts) < RUNS

    def kill(self) -> None:
        """Kill the device and start it again: what is not deleted yet is handed over again."""
        self.lose()
        self.spool._undeleted.clear()
        self.spool.close()
        self._open()
        self._seen = {each.decision.id: self.now for each in self.ledger.handing.untold}

    def end(self) -> None:
        """Mend everything, and wait until nothing is on its way."""
        self.lose()
        for _ in range(12):
            self.pass_time(30)
            while self.spool.read(1, STREAM):
                self.hand_over(50)
                self.acknowledge()
            while (given := self.give()) is not None:
                self.texted[given[0].decision.id] += 1
                self.answer(*given, Outcome.SENT)

    def flagged(self) -> set[str]:
        """Return the decisions of which the record says that somebody may be told twice."""
        claims = (each for each in self.server.outcomes.values() if isinstance(each, Claimed))
        return {each.decision.id for each in claims if each.possible_double}

    def unsure(self) -> set[str]:
        """Return the decisions whose text may have been sent, and was told again for that."""
        return {
            each.notification
            for each in self.server.outcomes.values()
            if getattr(each, "outcomes", {}).get(NUMBER) is Texted.UNKNOWN
        }

    def nobody(self) -> list[Decision]:
        """Return what nobody told NUMBER of."""
        told, counted = self.server.told(), self.server.counted()
        return [
            each
            for identity, each in self.decided.items()
            if not self.texted[identity] and not told[identity] and identity not in counted
        ]

    def both(self) -> Iterable[str]:
        """Return what both told NUMBER of, by id."""
        told = self.server.told()
        return {identity for identity in self.decided if self.texted[identity] and told[identity]}
