"""The servers, as one device knows them: their folds and routing are the real ones."""

from collections import Counter
from pathlib import Path
from typing import Any
from unittest.mock import patch

from agents import telling
from agents.route import Step
from app.stream.batches import KafkaRecord
from app.texts import Texts
from app.texts.saying import LISTED
from schemas import codec, topics
from schemas.decision import Decision
from schemas.delivery import Channel, Message
from schemas.handover import Digest, Held
from tables import handover
from tables.entries import Entry
from tables.intake import take
from tables.routing import Book, settled
from tables.rulebook import Rulebook
from tests.events import rule
from tests.people import home_of, snapshot, somebody
from tests.records import fetched

NUMBER, OTHER = "+15550100", "+15550101"
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


HOLDING = handover._holding


class Server:
    """The agents of one device, over a log: what they made of it so far, and sent."""

    def __init__(self) -> None:
        self.log: list[tuple[bytes, int]] = []
        self.sent: list[Message] = []
        self.outcomes: dict[str, Any] = {}
        self._state: tuple[int, Entry, Book] = (0, Entry(), Book())
        self._before = self._state
        self._book = Rulebook(STREAM, (RULE,))
        self.dropped = set[str]()  # what was more than can be held

    @property
    def decided(self) -> dict[str, Decision]:
        return {i: each for i, each in self.outcomes.items() if isinstance(each, Decision)}

    def read(self) -> None:
        """Process what was appended; the state before it is what a crash goes back to."""
        self._before = self._state
        done, entry, book = self._state
        for value, appended_ms in self.log[done:]:
            event = codec.supply_event.decode(value)
            with patch.object(handover, "_holding", self._holding):
                entry, outcomes = take(self._book, entry, event, appended_ms)
            for outcome in outcomes:
                told = outcome.decision if isinstance(outcome, Held) else outcome
                assert self.outcomes.setdefault(told.id, told) == told
                if not isinstance(outcome, Held):
                    book = self._route(book, outcome, appended_ms)
        self._state = (len(self.log), entry, book)

    def _holding(self, pending: handover.Pending, waiting: handover.Waiting) -> handover.Pending:
        after = HOLDING(pending, waiting)
        before = {each.decision.id for each in (*pending.held, waiting)}
        self.dropped |= before - {each.decision.id for each in after.held}
        return after

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
        """Return what a digest may tell of by how many there were: a long one names the worst."""
        digests = (each for each in self.outcomes.values() if isinstance(each, Digest))
        long = (each for each in digests if len(each.decisions) > LISTED[Channel.SMS])
        return {each.id for digest in long for each in digest.decisions}
