"""What the agents of the ``decide`` app share: a batch through the core, in three steps."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from typing import Any, Generic, TypeVar, cast

import msgspec
import structlog

from agents.parking import Unfit, parked
from app.stream import apps
from app.stream.batches import Batch, KafkaRecord
from app.stream.producer import Send, send_all
from app.stream.table import Table
from schemas import codec, topics
from schemas.decision import Decision
from schemas.events import Event
from tables import intake
from tables.intake import Entry, OutOfRangeError
from tables.rulebook import Rulebook

log = structlog.get_logger()
Kept = TypeVar("Kept")
Headers = tuple[tuple[str, bytes], ...]


class Folding(ABC, Generic[Kept]):
    """Folds the batches of one stream into one table of states of type ``Kept``.

    stored: called when states of a partition are stored, with their keys, and the new among them.
    """

    stored: Callable[[int, Collection[bytes], Collection[bytes]], None] | None = None

    def __init__(self, table: Table, stream: str, decoder: msgspec.json.Decoder[Any]) -> None:
        """Keep states in ``table`` and read the values of ``stream`` with ``decoder``."""
        self._table = table
        self._stream = stream
        self._decoder = decoder

    @abstractmethod
    def take(
        self, book: Rulebook, kept: Kept | None, event: Any, record: KafkaRecord
    ) -> tuple[Kept, list[Decision], list[tuple[str, bytes]]]:
        """Return the state after ``event``, what it decides, and what else goes to which topic.

        Raises:
            OutOfRangeError: the event tells a time that cannot be.
        """

    @abstractmethod
    def read(self, stored: bytes) -> Kept:
        """Return the state in ``stored``."""

    @abstractmethod
    def written(self, kept: Kept) -> bytes:
        """Return ``kept`` as it is stored."""

    def headers(self, event: Any) -> Headers:
        """Return what only transport knows of what ``event`` revealed."""
        return ()

    async def __call__(self, batch: Batch) -> None:
        """Decide on ``batch``: send what was decided, store the states, return.

        Folding works on copies: a batch that is cancelled leaves the table as it was.
        """
        await apps.rules.confirmed()
        book = apps.rules.book(self._stream)
        entries: dict[bytes, tuple[int, Kept | None]] = {}
        sends: list[Send] = []
        new: list[bytes] = []
        for record in batch.records:
            try:
                event = self._event(record)
            except Unfit as unfit:
                sends.append(parked(batch, record, str(unfit)))
                continue
            key = cast("bytes", record.key)
            # A state of ours that cannot be read is nobody's record: the worker ends.
            folded_to, before = entries.get(key) or self._read(batch.partition, key)
            if record.offset <= folded_to:  # a redelivery: its effects are stored
                continue
            try:
                after, decisions, noticed = self.take(book, before, event, record)
            except OutOfRangeError as error:
                sends.append(parked(batch, record, str(error)))
                continue
            except Exception as error:  # whatever one record does, the rest goes on
                log.exception("fold_failed", topic=batch.topic, offset=record.offset)
                sends.append(parked(batch, record, f"could not be folded: {error!r}"))
                continue
            entries[key] = (record.offset, after)
            if before is None:
                new.append(key)
            if noticed or decisions:
                noticed += [(topics.NOTIFICATIONS, codec.encode(each)) for each in decisions]
                origin = f"{batch.topic}:{batch.partition}:{record.offset}".encode()
                headers = (("origin", origin), *self.headers(event))
                for topic, value in noticed:
                    sends.append(Send(topic, record.key, value, batch.partition, headers))
        await send_all(apps.decide, sends)
        states = {
            key: (at, self.written(kept)) for key, (at, kept) in entries.items() if kept is not None
        }
        await self._table.store(batch.partition, states)
        if self.stored is not None:
            self.stored(batch.partition, states.keys(), new)

    def _event(self, record: KafkaRecord) -> Any:
        event = codec.decode(self._decoder, record.value)
        if isinstance(event, codec.Unreadable):
            raise Unfit(event.reason)
        if record.key != event.device.encode():
            raise Unfit(f"the key is not the device {event.device!r}")
        return event

    def _read(self, partition: int, key: bytes) -> tuple[int, Kept | None]:
        folded_to, state = self._table.read(partition, key)
        return folded_to, None if state is None else self.read(state)


class Decider(Folding[Entry]):
    """Folds what edges send."""

    def take(
        self, book: Rulebook, kept: Entry | None, event: Event, record: KafkaRecord
    ) -> tuple[Entry, list[Decision], list[tuple[str, bytes]]]:
        """Return the entry after ``event``, what it decides, and the gap it reveals, if any."""
        before = Entry() if kept is None else kept
        after, decisions = intake.take(book, before, event, record.appended_ms)
        gap = intake.raised(before, after, event, self._stream, record.offset)
        return after, decisions, [] if gap is None else [(topics.LIVENESS, codec.encode(gap))]

    def read(self, stored: bytes) -> Entry:
        """Return the entry in ``stored``."""
        return intake.read(stored)

    def written(self, kept: Entry) -> bytes:
        """Return ``kept`` as it is stored."""
        return intake.written(kept)

    def headers(self, event: Event) -> Headers:
        """Return the event's place in its stream."""
        return ("epoch", event.epoch.encode()), ("seq", str(event.seq).encode())
