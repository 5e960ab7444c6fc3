"""What the agents of the ``decide`` app share: a batch through the core, in three steps."""

from typing import Any

import msgspec
import structlog

from agents.parking import Unfit, parked, parsed
from app.stream import apps
from app.stream.batches import Batch, KafkaRecord
from app.stream.producer import Send, send_all
from app.stream.table import Table
from schemas import codec, topics
from schemas.decision import Decision
from schemas.events import Event
from schemas.liveness import Gap
from tables import intake
from tables.intake import Entry, OutOfRangeError, take

log = structlog.get_logger()


class Decider:
    """Folds the batches of one stream into one table."""

    def __init__(self, table: Table, stream: str, decoder: msgspec.json.Decoder[Any]) -> None:
        """Keep states in ``table`` and read the values of ``stream`` with ``decoder``."""
        self._table = table
        self._stream = stream
        self._decoder = decoder

    async def __call__(self, batch: Batch) -> None:
        """Decide on ``batch``: send what was decided, store the states, return.

        Folding works on copies: a batch that is cancelled leaves the table as it was.
        """
        await apps.rules.confirmed()
        book = apps.rules.book(self._stream)
        entries: dict[bytes, tuple[int, Entry]] = {}
        sends: list[Send] = []
        for record in batch.records:
            try:
                event = self._event(record)
            except Unfit as unfit:
                sends.append(parked(batch, record, str(unfit)))
                continue
            key = event.device.encode()
            # A state of ours that cannot be read is nobody's record: the worker ends.
            folded_to, entry = entries.get(key) or self._read(batch.partition, key)
            if record.offset <= folded_to:  # a redelivery: its effects are stored
                continue
            try:
                after, decisions = take(book, entry, event, record.appended_ms)
            except OutOfRangeError as error:
                sends.append(parked(batch, record, str(error)))
                continue
            except Exception as error:  # whatever one record does, the rest goes on
                log.exception("fold_failed", topic=batch.topic, offset=record.offset)
                sends.append(parked(batch, record, f"could not be folded: {error!r}"))
                continue
            entries[key] = (record.offset, after)
            gap = intake.raised(entry, after, event, self._stream, record.offset)
            if gap is not None or decisions:
                sends += _sends(batch, record, event, gap, decisions)
        await send_all(apps.decide, sends)
        states = {key: (at, intake.written(entry)) for key, (at, entry) in entries.items()}
        await self._table.store(batch.partition, states)

    def _event(self, record: KafkaRecord) -> Event:
        event: Event = parsed(self._decoder, record)
        if record.key != event.device.encode():
            raise Unfit(f"the key is not the device {event.device!r}")
        return event

    def _read(self, partition: int, key: bytes) -> tuple[int, Entry]:
        folded_to, state = self._table.read(partition, key)
        return folded_to, Entry() if state is None else intake.read(state)


def _sends(
    batch: Batch, record: KafkaRecord, event: Event, gap: Gap | None, decisions: list[Decision]
) -> list[Send]:
    headers = (
        ("origin", f"{batch.topic}:{batch.partition}:{record.offset}".encode()),
        ("epoch", event.epoch.encode()),
        ("seq", str(event.seq).encode()),
    )
    found = [] if gap is None else [(topics.LIVENESS, codec.encode(gap))]
    found += [(topics.NOTIFICATIONS, codec.encode(each)) for each in decisions]
    return [Send(topic, record.key, value, batch.partition, headers) for topic, value in found]
