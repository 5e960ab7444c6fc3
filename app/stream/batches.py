"""Batches: what was fetched from one partition is handed over as one event.

A stock Faust agent costs 100 to 200 µs an event; handed whole batches it costs 2 to 10. The two
extension points are Faust's own: the ``ConsumerScheduler`` setting and a topic's ``Schema``.
"""

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import structlog
from faust import Event, Schema
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP, EventT, StreamT

from app.stream.watch import EXIT_UNFINISHED, end, progress

log = structlog.get_logger()


class KafkaRecord(Protocol):
    """A record of a topic, as aiokafka has it. timestamp: the broker's append time, in ms."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class Batch(msgspec.Struct, frozen=True):
    """Records of one partition, in order."""

    topic: str
    partition: int
    records: Sequence[KafkaRecord]

    @property
    def first(self) -> int:
        """Return the offset of the first record."""
        return self.records[0].offset


class FetchedBatch:
    """What Faust takes for one message: the last record's place, and all records as its value."""

    __slots__ = (
        "checksum",
        "headers",
        "key",
        "offset",
        "partition",
        "serialized_key_size",
        "serialized_value_size",
        "timestamp",
        "timestamp_type",
        "topic",
        "value",
    )

    def __init__(self, records: Sequence[Any]) -> None:
        """Stand for ``records``, aiokafka's ConsumerRecords of one partition, at least one."""
        last = records[-1]
        self.topic = last.topic
        self.partition = last.partition
        self.offset = last.offset
        self.timestamp = last.timestamp
        self.timestamp_type = last.timestamp_type
        self.value = records
        self.headers = self.key = self.checksum = None
        self.serialized_key_size = self.serialized_value_size = 0


class BatchScheduler(DefaultSchedulingStrategy):
    """Faust's order of delivery: here, what was fetched of a partition comes at once."""

    def iterate(self, records: Mapping[TP, Any]) -> Iterator[tuple[TP, Any]]:
        """Yield each partition of ``records`` with all of its records as one."""
        for tp, fetched in records.items():
            if fetched:
                yield TP(tp.topic, tp.partition), FetchedBatch(fetched)


class BatchSchema(Schema[Any, Any]):
    """A topic's schema that leaves bytes as they are: an event's value is a list of records."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Awaitable[EventT[Any]]]:
        """Return the coroutine function that makes an event of a message."""

        async def decode(message: Any, *, propagate: bool = False) -> EventT[Any]:
            return Event(app, None, message.value, None, message)

        return decode


async def each_batch(stream: StreamT[Any], handle: Callable[[Batch], Awaitable[None]]) -> None:
    """Hand every batch of ``stream`` to ``handle`` and acknowledge it when that has returned.

    An error ends the process before anything is acknowledged: Faust would acknowledge a batch whose
    handler raised, and go on without it (streams.py, ``_c_aiter``: ``finally: it.after(…)``).
    """
    events: Any = stream
    async for event in events.noack().events():
        message = event.message
        batch = Batch(message.topic, message.partition, event.value)
        handled = progress.handled.get(message.tp)
        follows(handled, batch)
        try:
            if handled is None and await events.app.consumer.left_out(message.tp, batch.first):
                left_out(batch, handled)
            await handle(batch)
        except Exception:  # above all a send that failed
            place = f"{batch.topic}:{batch.partition}:{batch.first}"
            log.critical("batch_failed", place=place, exc_info=True)
            os._exit(EXIT_UNFINISHED)
        event.ack()
        progress.handled[message.tp] = message.offset


def follows(handled: int | None, batch: Batch) -> None:
    """Return if ``batch`` leaves nothing out after the last record handled; else end the process.

    handled: None: nothing was since the partition is ours.
    """
    if handled is not None and batch.first > handled + 1:
        left_out(batch, handled)


def left_out(batch: Batch, handled: int | None) -> None:
    """End the process, because ``batch`` leaves records out.

    It begins anew where it has committed: what was left out is fetched again. Around a rebalance
    Faust now and then drops what it has fetched and goes on behind it (seen in ``make chaos``).
    """
    place = f"{batch.topic}:{batch.partition}:{batch.first}"
    end(EXIT_UNFINISHED, "records_left_out", place=place, handled=handled)
