"""The spool to Kafka: rows in their order, which leave the spool when the broker has them.

Keyed by device, ``acks=all``, idempotent, zstd. Each topic is shipped by itself and has one batch
on its way at a time: a batch that failed is never overtaken by a later one of its stream, and a
backlog of readings keeps no transition waiting. What was on its way when a producer was given up
may arrive twice; its ``epoch`` and ``seq`` say so.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.producer.message_accumulator import BatchBuilder

from edge.config_sections import SecurityConfig
from edge.decider import DECIDED
from edge.ledger import Ledger
from edge.spool import CorruptError, Row, SpoolError
from schemas import topics

READINGS_PER_S = 5_000  # of a backlog: the rest of the device, and of the link, is not held up
ACKNOWLEDGED_WITHIN_S = 30.0
ABANDON_WITHIN_S = 0.5
BACKOFF_S = (0.5, 10.0)
COMPLAIN_EVERY_S = 60.0


class Pace(NamedTuple):
    """How much is handed over at once: rows, and bytes before they are compressed.

    readings_per_s: of a backlog; 0 is as fast as it goes.
    """

    rows: int
    batch_bytes: int
    readings_per_s: int


# It is to be small: a burst of 500,000 lines may grow it by 2 MB (make bench NAME=device).
STEADY = Pace(100, 16_384, READINGS_PER_S)
HURRIED = Pace(4_000, 524_288, 0)
SHIPPED = (topics.TRANSITIONS, topics.PROBES, topics.WINDOWS, topics.ACTIVE, topics.MALFORMED)

log = structlog.get_logger()
partition_of = DefaultPartitioner()


class LastWords(logging.Handler):
    """Keeps what aiokafka logged last: why it cannot connect it tells nobody else."""

    def __init__(self) -> None:
        """Listen to aiokafka's errors; they are said by ``Shipper``, once a minute."""
        super().__init__(logging.ERROR)
        self.said = ""
        logger = logging.getLogger("aiokafka")
        logger.setLevel(logging.ERROR)
        logger.propagate = False
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.said = record.getMessage()


class Shipper:
    """Ships what ``ledger`` has spooled until it is cancelled.

    shipped: rows acknowledged. trouble: why nothing moves, or empty.
    acknowledged, failed: called when the broker has taken something, and when it cannot be reached.
    """

    acknowledged: Callable[[], None] = staticmethod(lambda: None)
    failed: Callable[[], None] = staticmethod(lambda: None)

    def __init__(
        self,
        ledger: Ledger,
        brokers: Sequence[str],
        security: dict[str, Any] | None = None,
        pace: Pace = STEADY,
    ) -> None:
        """Ship to ``brokers``; ``security``: aiokafka's settings of TLS and SASL."""
        self._pace = pace
        self.shipped = 0
        self.trouble = ""
        self._ledger = ledger
        self._brokers = list(brokers)
        self._security = security or {}
        self._wakes = {topic: asyncio.Event() for topic in SHIPPED}
        self._failures = 0
        self._last = LastWords()
        self._complained_s = -COMPLAIN_EVERY_S
        self._withdraw, self._gone, self._resume = (asyncio.Event() for _ in range(3))

    def wake(self) -> None:
        """Take note that there may be new rows."""
        for event in self._wakes.values():
            event.set()

    async def run(self) -> None:
        """Ship for ever; a broker that cannot be reached is tried again."""
        while True:
            shipping = asyncio.create_task(self._keep_shipping())
            withdraw = asyncio.create_task(self._withdraw.wait())
            try:
                await asyncio.wait({shipping, withdraw}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                shipping.cancel()
                withdraw.cancel()
                ended, _ = await asyncio.gather(shipping, withdraw, return_exceptions=True)
            if not self._withdraw.is_set() and isinstance(ended, BaseException):
                raise ended
            self._gone.set()
            await self._resume.wait()

    @asynccontextmanager
    async def withdrawn(self) -> AsyncIterator[None]:
        """Hand nothing over within the block; enter it when the producer is destroyed.

        What that had not acknowledged is handed over again afterwards, from the beginning.
        """
        self._resume.clear()
        self._withdraw.set()
        await self._gone.wait()
        try:
            yield
        finally:
            self._withdraw.clear()
            self._gone.clear()
            self._resume.set()

    async def _keep_shipping(self) -> None:
        while True:
            failure: BaseException | None = None
            try:
                async with self._producer() as producer, asyncio.TaskGroup() as tasks:
                    for topic in SHIPPED:
                        tasks.create_task(self._ship(producer, topic))
            except* (KafkaError, SpoolError, OSError, TimeoutError) as group:
                failure = _first(group)
                self._complain(failure)
            if isinstance(failure, CorruptError):  # only the next start sets it aside
                raise failure
            await asyncio.sleep(self._backoff())

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._brokers,
            enable_idempotence=True,
            acks="all",
            compression_type="zstd",
            max_batch_size=self._pace.batch_bytes,
            request_timeout_ms=round(ACKNOWLEDGED_WITHIN_S * 1000),
            **self._security,
        )
        try:
            async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S):
                await producer.start()
            yield producer
        finally:
            await _abandon(producer)

    async def _ship(self, producer: AIOKafkaProducer, topic: str) -> None:
        wake, pace = self._wakes[topic], self._pace
        while True:
            wake.clear()
            rows = self._ledger.spool.read(pace.rows, topic)
            if not rows:
                await wake.wait()
                continue
            began_s = monotonic()
            await self._send(producer, topic, rows)
            if topic == topics.PROBES and pace.readings_per_s and len(rows) == pace.rows:
                until_s = began_s + pace.rows / pace.readings_per_s
                await asyncio.sleep(max(0.0, until_s - monotonic()))

    async def _send(self, producer: AIOKafkaProducer, topic: str, rows: list[Row]) -> None:
        async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S):
            partitions = sorted(await producer.partitions_for(topic))
        partition = partition_of(rows[0].key, partitions, partitions)
        start = 0
        while start < len(rows):
            batch, end, newest = producer.create_batch(), start, self._ledger.newest(topic)
            while end < len(rows) and _appended(batch, rows[end], newest):
                end += 1
            last = rows[end - 1]
            drained = newest if topic in DECIDED and last.seq == newest else None
            if drained is not None:
                self._ledger.given[topic] = drained
            async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S):
                await (await producer.send_batch(batch, topic, partition=partition))
            self._ledger.acknowledged(topic, last.id, last.seq, drained)
            self._resumed(end - start)
            start = end

    def _resumed(self, count: int) -> None:
        self.shipped += count
        if self._failures:
            log.info("shipping_resumed", waiting=self._ledger.spool.waiting)
        self._failures, self.trouble, self._complained_s = 0, "", -COMPLAIN_EVERY_S
        self.acknowledged()

    def _complain(self, error: BaseException) -> None:
        self._failures += 1
        self.failed()
        silence = f"no answer within {ACKNOWLEDGED_WITHIN_S:.0f} s"
        reason = silence if isinstance(error, TimeoutError) else str(error) or repr(error)
        self.trouble = self._last.said if isinstance(error, KafkaConnectionError) else reason
        self.trouble = self.trouble or reason
        if monotonic() - self._complained_s >= COMPLAIN_EVERY_S:
            self._complained_s = monotonic()
            waiting = self._ledger.spool.waiting
            log.warning(
                "shipping_failed", brokers=self._brokers, reason=self.trouble, waiting=waiting
            )

    def _backoff(self) -> float:
        first, longest = BACKOFF_S
        longest = min(longest, first * 2.0 ** min(max(0, self._failures - 1), 16))
        return random.uniform(longest / 2, longest)  # noqa: S311


def secured(security: SecurityConfig | None) -> dict[str, Any]:
    """Return aiokafka's settings of TLS and SASL.

    Raises:
        OSError: a file that they need cannot be read.
    """
    if security is None:
        return {}
    kind = ("SASL_" if security.username else "") + ("SSL" if security.tls else "PLAINTEXT")
    found: dict[str, Any] = {"security_protocol": kind}
    if security.tls:
        found["ssl_context"] = ssl.create_default_context(cafile=security.ca)
    if security.username is not None and security.password_file is not None:
        found["sasl_mechanism"] = security.mechanism
        found["sasl_plain_username"] = security.username
        password = security.password_file.read_text(encoding="utf-8").strip()
        found["sasl_plain_password"] = password
    return found


def _appended(batch: BatchBuilder, row: Row, newest: int) -> bool:
    """Append ``row`` and return True; return False when the batch is full.

    On a stream that is decided it says how far the spool reached when it was handed over.
    """
    value = row.value
    if row.topic in DECIDED:
        value = b'%b,"drain_to":%d}' % (value[:-1], newest)
    return batch.append(timestamp=None, key=row.key, value=value) is not None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Close ``producer`` without waiting for what is unacknowledged.

    Its own ``stop`` waits for that, and an idempotent producer tries for ever.
    """
    producer._closed = True
    with suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(ABANDON_WITHIN_S):
            await producer._sender.close()
    await producer.client.close()
