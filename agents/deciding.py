"""What the agents of the ``decide`` app share: a batch through the core, in three steps."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import structlog

from agents.parking import Unfit, parked, parsed
from app.stream import apps
from app.stream.batches import Batch, KafkaRecord
from app.stream.producer import Send, send_all
from app.stream.table import NEVER, Table
from schemas import codec, topics
from schemas.events import Event
from schemas.handover import Held, Outcome
from schemas.record import OutOfRangeError
from tables import intake
from tables.entries import Entry
from tables.machines import MACHINES
from tables.rulebook import Rulebook
from tables.rules import RulesError

log = structlog.get_logger()
Headers = tuple[tuple[str, bytes], ...]
HELD = ("held", b"1")  # on a decision that nobody is to be told of yet
Noticed = list[tuple[str, bytes]]  # topics, and what goes there


class Folding:
    """Folds the batches of one stream into one table.

    stored: called when states of a partition are stored, with their keys, and the new among them.
    """

    stored: Callable[[int, Collection[bytes], Collection[bytes]], None] | None = None

    def __init__(self, table: Table, stream: str) -> None:
        """Keep in ``table`` the states of the machine of ``stream``."""
        self._table = table
        self._stream = stream
        self._machine = MACHINES[stream]

    def noticed(self, before: Any, after: Any, event: Any, offset: int) -> Noticed:
        """Return what the step from ``before`` to ``after`` tells besides its decisions."""
        return []

    def headers(self, event: Any) -> Headers:
        """Return what only transport knows of what ``event`` revealed."""
        return ()

    async def __call__(self, batch: Batch) -> None:
        """Decide on ``batch``: send what was decided, store the states, return.

        Folding works on copies: a batch that is cancelled leaves the table as it was.
        """
        await apps.rules.confirmed()
        book = apps.rules.book(self._stream)
        kept: dict[bytes, tuple[int, Any]] = {}
        sends: list[Send] = []
        new: list[bytes] = []
        decoder = self._machine.decoder
        for record in batch.records:
            try:
                event, key = parsed(decoder, record), record.key
                if key is None or key != event.device.encode():
                    sentence = f"the key is not the device {event.device!r}"
                    sends.append(parked(batch, record, sentence))
                    continue
                # A state of ours that cannot be read is nobody's record: the worker ends.
                folded_to, before = kept.get(key) or self._read(batch.partition, key)
                if record.offset <= folded_to:  # a redelivery: its effects are stored
                    continue
                after, outcomes = self._taken(book, before, event, record)
            except Unfit as unfit:
                sends.append(parked(batch, record, str(unfit)))
                continue
            kept[key] = (record.offset, after)
            if folded_to == NEVER:
                new.append(key)
            noticed = self.noticed(before, after, event, record.offset)
            if noticed or outcomes:
                sends += self._sends(batch, record, event, noticed, outcomes)
        await send_all(apps.decide, sends)
        states = {key: (at, self._machine.written(state)) for key, (at, state) in kept.items()}
        await self._table.store(batch.partition, states)
        if self.stored is not None:
            self.stored(batch.partition, states.keys(), new)

    def _read(self, partition: int, key: bytes) -> tuple[int, Any]:
        folded_to, state = self._table.read(partition, key)
        return folded_to, self._machine.fresh if state is None else self._machine.read(state)

    def _taken(
        self, book: Rulebook, before: Any, event: Any, record: KafkaRecord
    ) -> tuple[Any, Sequence[Outcome]]:
        try:
            return self._machine.take(book, before, event, record.timestamp)
        except (OutOfRangeError, RulesError) as error:
            raise Unfit(str(error)) from None
        except Exception as error:  # whatever one record does, the rest goes on
            log.exception("fold_failed", topic=self._stream, offset=record.offset)
            raise Unfit(f"could not be folded: {error!r}") from None

    def _sends(
        self,
        batch: Batch,
        record: KafkaRecord,
        event: Any,
        noticed: Noticed,
        outcomes: Sequence[Outcome],
    ) -> list[Send]:
        origin = f"{batch.topic}:{batch.partition}:{record.offset}".encode()
        headers = (("origin", origin), *self.headers(event))
        sends = [
            Send(topic, record.key, value, batch.partition, headers) for topic, value in noticed
        ]
        for outcome in outcomes:
            told, marked = outcome, headers
            if isinstance(outcome, Held):
                told, marked = outcome.decision, (*headers, HELD)
            value = codec.encode(told)
            sends.append(Send(topics.NOTIFICATIONS, record.key, value, batch.partition, marked))
        return sends


class Decider(Folding):
    """Folds what edges send, and tells of the gaps in it."""

    def noticed(self, before: Entry, after: Entry, event: Event, offset: int) -> Noticed:
        """Return the gap that ``event`` reveals, if it does."""
        gap = intake.raised(before, after, event, self._stream, offset)
        return [] if gap is None else [(topics.LIVENESS, codec.encode(gap))]

    def headers(self, event: Event) -> Headers:
        """Return the event's place in its stream."""
        return ("epoch", event.epoch.encode()), ("seq", str(event.seq).encode())
