"""Both sides of the hand-over and the link between them, without a thread or a clock.

The device's ledger and spool, and the servers' folds and routing, are the real ones; what is made
up is the link, the modem, and when anybody is killed.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

from agents import telling
from agents.route import Step
from app.stream.batches import KafkaRecord
from app.texts import Texts
from app.texts.saying import LISTED
from edge.handover import Text, Untold, next_text, silenced, unheard
from edge.ledger import Ledger
from edge.parse import TransitionLine
from edge.ship import _appended
from edge.spool import Row, Spool
from schemas import codec, topics
from schemas.decision import Decision
from schemas.delivery import Channel, Message
from schemas.events import Source, Texted
from schemas.handover import Claimed, Digest, Held
from schemas.record import EPOCH
from tables.entries import Entry
from tables.intake import take
from tables.routing import Book, settled
from tables.rulebook import Rulebook
from tests.events import at, rule
from tests.people import home_of, snapshot, somebody
from tests.records import fetched

NUMBER, OTHER = "+15550100", "+15550101"
HANDOFF = timedelta(seconds=20)
STREAM = topics.TRANSITIONS
RULE = rule(
    'name="lost"\nstream="transitions"\nwhen={field="source",not_equals="grid"}\nfor="10s"\n'
    'clear_for="5s"\nreset="30s"'
)
REPEATING = rule(
    'name="none"\nstream="transitions"\nwhen={field="source",equals="none"}\nfor="0s"\n'
    'clear_for="5s"\nreset="600s"\nseverity="critical"'
)
BY_ID = Texts(Path(__file__).parent / "templates")  # a line names its decision
PEOPLE = snapshot(*somebody("ann", sms=(NUMBER, OTHER)), home_of("ann"))


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


class Server:
    """The agents of one device, over a log: what they made of it so far, and sent."""

    def __init__(self) -> None:
        self.log: list[tuple[bytes, int]] = []
        self.sent: list[Message] = []
        self.outcomes: dict[str, Any] = {}
        self._state: tuple[int, Entry, Book] = (0, Entry(), Book())
        self._before = self._state
        self._book = Rulebook(STREAM, (RULE,))

    @property
    def decided(self) -> dict[str, Decision]:
        return {i: each for i, each in self.outcomes.items() if isinstance(each, Decision)}

    def read(self) -> None:
        """Process what was appended; the state before it is what a crash goes back to."""
        self._before = self._state
        done, entry, book = self._state
        for value, appended_ms in self.log[done:]:
            event = codec.supply_event.decode(value)
            entry, outcomes = take(self._book, entry, event, appended_ms)
            for outcome in outcomes:
                told = outcome.decision if isinstance(outcome, Held) else outcome
                assert self.outcomes.setdefault(told.id, told) == told
                if not isinstance(outcome, Held):
                    book = self._route(book, outcome, appended_ms)
        self._state = (len(self.log), entry, book)

    def crash(self) -> None:
        """Forget the last step: everything in it is done again."""
        self._state = self._before
        self.read()

    def _route(self, book: Book, outcome: Any, appended_ms: int) -> Book:
        record: KafkaRecord = fetched(b"home", codec.encode(outcome), 0, appended_ms)
        with patch.object(telling, "texts", BY_ID):
            book, sends = Step(PEOPLE, record).take(book, outcome)
        for send in sends:
            value = codec.any_record.decode(send.value)
            if isinstance(value, Message):
                self.sent.append(value)
        told = outcome.decisions if isinstance(outcome, Digest) else (outcome,)
        ids = {outcome.id, *(getattr(each, "decision", each).id for each in told)}
        return settled(book, ids)

    def told(self) -> Counter[str]:
        """Return how many messages to NUMBER told each decision, by the decision's id."""
        found: Counter[str] = Counter()
        for message in {each.id: each for each in self.sent}.values():
            if message.address == NUMBER:
                digest = self.outcomes.get(message.notification)
                if isinstance(digest, Digest):  # it tells each number what that has not heard
                    told = (each for each in digest.decisions if each.id in message.text)
                    found.update(each.id for each in told)
                else:
                    found[message.notification] += 1
        return found

    def counted(self) -> set[str]:
        """Return what a digest tells of by how many there were: the oldest of a long one."""
        digests = (each for each in self.outcomes.values() if isinstance(each, Digest))
        return {each.id for digest in digests for each in digest.decisions[: -LISTED[Channel.SMS]]}


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
        return next_text(self.ledger.handing) is not None

    def give(self) -> tuple[int, Text, str] | None:
        """Give the modem the next text: from here on it may have been sent."""
        found = next_text(self.ledger.handing)
        if found is None:
            return None
        job, text = found
        written = msgspec.structs.replace(text, written=True)
        self.ledger.texted(job.number, written, self.time)
        self.commit()
        return job.number, written, job.decision.id

    def answer(self, job: int, text: Text, outcome: Texted | None) -> None:
        after = msgspec.structs.replace(text, written=False, outcome=outcome)
        self.ledger.texted(job, after, self.time)
        self.commit()

    def kill(self) -> None:
        """Kill the device and start it again."""
        self.lose()
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
                self.texted[given[2]] += 1
                self.answer(given[0], given[1], Texted.SENT)

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
