"""The spool to Kafka: rows in their order, which leave the spool when the broker has them.

Keyed by device, ``acks=all``, idempotent, zstd. Each topic is shipped by itself, by a producer of
its own while there is something to ship, and has one batch on its way at a time: a batch that
failed is never overtaken by a later one of its stream, and neither a topic that cannot be written
nor a backlog of readings keeps a transition waiting. What was on its way when a producer was given
up may arrive twice; its ``epoch`` and ``seq`` say so.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import BrokerResponseError
from aiokafka.producer.message_accumulator import BatchBuilder

from edge.decider import DECIDED
from edge.ledger import Ledger
from edge.producer import ANSWERED_WITHIN_S, abandon, partition
from edge.ship_complaints import Complaints
from edge.spool import CorruptError, Row, SpoolError
from schemas import topics

READINGS_PER_S = 5_000  # of a backlog: the rest of the device, and of the link, is not held up
ACKNOWLEDGED_WITHIN_S = ANSWERED_WITHIN_S  # and longer the more there is to send
SLOWEST_BYTES_PER_S = 2_000  # of a link that is not given up
LONGEST_S = 1_500.0  # more than the largest record takes on it
IDLE_S = 300.0  # after which a producer without work is given up
BACKOFF_S = (0.5, 10.0)
REFUSED_S = 60.0  # longest back-off where the broker answers, and says no
READ_BATCHES = 8  # at once, in bytes


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
LATER = (topics.ACTIVE, topics.MALFORMED)  # only while nothing waits that is decided
SHIPPED = (*DECIDED, topics.WINDOWS, *LATER)


class Lane:
    """How one topic fares.

    waiting: whether it has rows, and the broker may take them. flying: bytes on their way.
    failures: in a row. trouble: why nothing moves, or empty.
    """

    def __init__(self) -> None:
        """Begin with nothing to ship."""
        self.wake = asyncio.Event()
        self.waiting = False
        self.flying = 0
        self.failures = 0
        self.trouble = ""


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
        self._complaints = Complaints(self._brokers, ACKNOWLEDGED_WITHIN_S)
        self._security = security or {}
        self._lanes = {topic: Lane() for topic in SHIPPED}
        self._turn, self._withdraw, self._gone, self._resume = (asyncio.Event() for _ in range(4))

    def wake(self) -> None:
        """Take note that there may be new rows."""
        for lane in self._lanes.values():
            lane.wake.set()

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
                raise _first(ended)
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
        async with asyncio.TaskGroup() as tasks:
            for topic in SHIPPED:
                tasks.create_task(self._keep(topic))

    async def _keep(self, topic: str) -> None:
        """Ship ``topic`` for ever, whatever becomes of the others."""
        while True:
            try:
                await self._rows(topic, None)
                async with self._producer() as producer:
                    await self._ship(producer, topic)
            except CorruptError:  # only the next start sets it aside
                raise
            except Exception as error:  # noqa: BLE001 - aiokafka lets out whatever a strange answer makes
                await self._back_off(topic, error)

    @asynccontextmanager
    async def _producer(self) -> AsyncIterator[AIOKafkaProducer]:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._brokers,
            enable_idempotence=True,
            acks="all",
            compression_type="zstd",
            max_batch_size=self._pace.batch_bytes,
            request_timeout_ms=round(LONGEST_S * 1000),  # else it sends all again: we give it up
            **self._security,
        )
        try:
            async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S):
                await producer.start()
            yield producer
        finally:
            await abandon(producer)

    async def _rows(self, topic: str, within_s: float | None) -> list[Row]:
        """Return the first rows that wait, as soon as there are; none after ``within_s``."""
        lane, pace = self._lanes[topic], self._pace
        while True:
            lane.wake.clear()
            rows = self._ledger.spool.read(pace.rows, topic, READ_BATCHES * pace.batch_bytes)
            self._waits(topic, waiting=bool(rows))
            if rows and topic in LATER:
                await self._turn.wait()
            if rows:
                return rows
            try:
                async with asyncio.timeout(within_s):
                    await lane.wake.wait()
            except TimeoutError:
                return []

    def _waits(self, topic: str, *, waiting: bool) -> None:
        self._lanes[topic].waiting = waiting
        if any(self._lanes[each].waiting for each in DECIDED):
            self._turn.clear()
        else:
            self._turn.set()

    async def _ship(self, producer: AIOKafkaProducer, topic: str) -> None:
        """Ship what there is, until there was nothing for a while."""
        pace, place = self._pace, await partition(producer, topic, self._ledger.device)
        while rows := await self._rows(topic, IDLE_S):
            began_s = monotonic()
            await self._send(producer, topic, place, rows)
            if topic == topics.PROBES and pace.readings_per_s and len(rows) == pace.rows:
                until_s = began_s + pace.rows / pace.readings_per_s
                await asyncio.sleep(max(0.0, until_s - monotonic()))

    async def _send(
        self, producer: AIOKafkaProducer, topic: str, place: int, rows: list[Row]
    ) -> None:
        start = 0
        while start < len(rows):
            batch, end, newest = producer.create_batch(), start, self._ledger.newest(topic)
            while end < len(rows) and _appended(batch, rows[end], newest):
                end += 1
            last = rows[end - 1]
            drained = newest if topic in DECIDED and last.seq == newest else None
            if drained is not None:
                self._ledger.given[topic] = drained
            size = sum(len(row.value) for row in rows[start:end])
            async with self._flying(topic, size):
                await (await producer.send_batch(batch, topic, partition=place))
            await self._take(topic, last, drained)
            self._resumed(topic, end - start)
            start = end

    @asynccontextmanager
    async def _flying(self, topic: str, size: int) -> AsyncIterator[None]:
        """Wait within the block as long as all that is on its way may take."""
        lane = self._lanes[topic]
        lane.flying = size
        flying = sum(each.flying for each in self._lanes.values())
        try:
            async with asyncio.timeout(ACKNOWLEDGED_WITHIN_S + flying / SLOWEST_BYTES_PER_S):
                yield
        finally:
            lane.flying = 0

    async def _take(self, topic: str, last: Row, drained: int | None) -> None:
        """Note that the broker has all up to ``last``; what cannot be noted is not sent again."""
        while True:
            try:
                self._ledger.acknowledged(topic, last.id, last.seq, drained)
            except CorruptError:
                raise
            except SpoolError as error:
                await self._back_off(topic, error)
            else:
                return

    def _resumed(self, topic: str, count: int) -> None:
        self.shipped += count
        lane = self._lanes[topic]
        lane.failures, lane.trouble = 0, ""
        self._tell_trouble()
        self._complaints.resolve(topic, self._ledger.spool.waiting)
        self.acknowledged()

    async def _back_off(self, topic: str, error: Exception) -> None:
        """Say what is wrong, at most once a minute, and return when it is to be tried again."""
        lane = self._lanes[topic]
        self._waits(topic, waiting=False)  # the others do not wait for it
        lane.failures += 1
        lane.trouble = self._complaints.complain(topic, error, self._ledger.spool.waiting)
        self._tell_trouble()
        refused = isinstance(error, BrokerResponseError)
        if not refused and not isinstance(error, SpoolError):
            self.failed()
        first, longest = BACKOFF_S[0], REFUSED_S if refused else BACKOFF_S[1]
        longest = min(longest, first * 2.0 ** min(lane.failures - 1, 16))
        await asyncio.sleep(random.uniform(longest / 2, longest))  # noqa: S311

    def _tell_trouble(self) -> None:
        self.trouble = next((each.trouble for each in self._lanes.values() if each.trouble), "")


def _appended(batch: BatchBuilder, row: Row, newest: int) -> bool:
    """Append ``row`` and return True; return False when the batch is full.

    On a stream that is decided it says how far the spool reached when it was handed over.
    """
    value = row.value
    if row.topic in DECIDED:
        value = b'%b,"drain_to":%d}' % (value[:-1], newest)
    return batch.append(timestamp=None, key=row.key, value=value) is not None


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
