"""The spool to Kafka: rows in their order, which leave the spool when the broker has them.

Keyed by device, ``acks=all``, idempotent, zstd. A topic has one batch on its way at a time, so a
batch that failed is never overtaken by a later one of its partition. What was on its way when a
producer was given up may arrive twice; its ``epoch`` and ``seq`` say so.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import groupby
from operator import attrgetter
from time import monotonic

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from edge.spool import Row, Spool

ROWS = 4_000
BATCH_BYTES = 524_288
ACKNOWLEDGED_WITHIN_S = 30.0
ABANDON_WITHIN_S = 5.0
BACKOFF_S = (0.5, 10.0)
COMPLAIN_EVERY_S = 60.0

log = structlog.get_logger()
partition_of = DefaultPartitioner()


class Shipper:
    """Ships what is in ``spool`` until it is cancelled.

    shipped: rows acknowledged. trouble: why nothing moves, or empty.
    wake: set it when there are new rows.
    """

    def __init__(self, spool: Spool, brokers: Sequence[str]) -> None:
        self.shipped = 0
        self.trouble = ""
        self.wake = asyncio.Event()
        self._spool = spool
        self._brokers = list(brokers)
        self._failures = 0
        self._complained_s = -COMPLAIN_EVERY_S

    async def run(self) -> None:
        """Ship for ever; a broker that cannot be reached is tried again."""
        while True:
            try:
                async with self._producer() as producer:
                    await self._ship(producer)
            except (KafkaError, OSError, TimeoutError) as error:
                self._complain(error)
                await asyncio.sleep(self._backoff())

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._brokers,
            enable_idempotence=True,
            acks="all",
            compression_type="zstd",
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=round(ACKNOWLEDGED_WITHIN_S * 1000),
        )
        try:
            async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S):
                await producer.start()
            yield producer
        finally:
            await _abandon(producer)

    async def _ship(self, producer: AIOKafkaProducer) -> None:
        while True:
            self.wake.clear()
            rows = self._spool.read(ROWS)
            if rows:
                await self._send(producer, rows)
            else:
                await self.wake.wait()

    async def _send(self, producer: AIOKafkaProducer, rows: list[Row]) -> None:
        """Send ``rows``, the topics side by side; raise what went wrong after all have ended."""
        topic = attrgetter("topic")
        groups = [list(group) for _, group in groupby(sorted(rows, key=topic), key=topic)]
        sent = [self._send_topic(producer, group) for group in groups]
        for outcome in await asyncio.gather(*sent, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _send_topic(self, producer: AIOKafkaProducer, rows: list[Row]) -> None:
        async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S):
            partitions = sorted(await producer.partitions_for(rows[0].topic))
        partition = partition_of(rows[0].key, partitions, partitions)
        start = 0
        while start < len(rows):
            batch = producer.create_batch()
            end = start
            while end < len(rows) and _appended(batch, rows[end]):
                end += 1
            async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S):
                await (await producer.send_batch(batch, rows[0].topic, partition=partition))
            self._acknowledge(rows[start:end])
            start = end

    def _acknowledge(self, rows: list[Row]) -> None:
        self._spool.acknowledge(rows[-1].topic, rows[-1].id)
        self.shipped += len(rows)
        if self._failures:
            log.info("shipping_resumed", waiting=self._spool.waiting)
        self._failures, self.trouble, self._complained_s = 0, "", -COMPLAIN_EVERY_S

    def _complain(self, error: Exception) -> None:
        self._failures += 1
        silence = f"no answer within {ACKNOWLEDGED_WITHIN_S:.0f} s"
        self.trouble = silence if isinstance(error, TimeoutError) else str(error)
        if monotonic() - self._complained_s >= COMPLAIN_EVERY_S:
            self._complained_s = monotonic()
            waiting = self._spool.waiting
            log.warning(
                "shipping_failed", brokers=self._brokers, reason=self.trouble, waiting=waiting
            )

    def _backoff(self) -> float:
        first, longest = BACKOFF_S
        longest = min(longest, first * 2.0 ** min(self._failures - 1, 16))
        return random.uniform(longest / 2, longest)  # noqa: S311


def _appended(batch: BatchBuilder, row: Row) -> bool:
    return batch.append(timestamp=None, key=row.key, value=row.value) is not None


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Close ``producer`` without waiting for what is unacknowledged.

    Its own ``stop`` waits for that, and an idempotent producer tries for ever.
    """
    producer._closed = True
    with suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(ABANDON_WITHIN_S):
            await producer._sender.close()
    await producer.client.close()
