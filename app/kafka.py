"""Topics without a group: read to ends known at the start or for ever; written record by record."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError, UnknownTopicOrPartitionError

from schemas.topics import LARGEST_RECORD

POLL_MS = 500
MAX_RECORDS = 5_000

Offsets = Mapping[TopicPartition, int]


class ReadError(Exception):
    """Nothing could be read; the sentence says why, and what to do."""


@asynccontextmanager
async def consuming(servers: str, topics: Sequence[str]) -> AsyncIterator[AIOKafkaConsumer]:
    """Enter with a consumer to which every partition of ``topics`` is assigned.

    Raises:
        ReadError: no broker answers, or a topic does not exist.
    """
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=servers, auto_offset_reset="earliest", enable_auto_commit=False
    )
    try:
        await consumer.start()
        yield consumer
    except KafkaConnectionError:
        raise ReadError(_unreachable(servers)) from None
    except UnknownTopicOrPartitionError:
        named = ", ".join(topics)
        raise ReadError(f"{servers} has no topic {named}: see `changeover topics list`") from None
    finally:
        await consumer.stop()


@asynccontextmanager
async def administering(servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Enter with an admin client of the cluster at ``servers``.

    Raises:
        ReadError: no broker answers.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    try:
        await admin.start()
        yield admin
    except KafkaConnectionError:
        raise ReadError(_unreachable(servers)) from None
    finally:
        await admin.close()


async def partition_counts(servers: str) -> dict[str, int]:
    """Return how many partitions each topic has that exists.

    Raises:
        ReadError: no broker answers.
    """
    async with administering(servers) as admin:
        # All of them: asking for one by name creates it where auto.create.topics.enable is true.
        found = await admin.describe_topics()
    return {each["topic"]: len(each["partitions"]) for each in found}


async def end_offsets(servers: str, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """Return where each partition of ``topics`` ends now."""
    async with consuming(servers, topics) as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(consumer.assignment())
        return ends


async def committed(servers: str, group: str) -> dict[tuple[str, int], int]:
    """Return up to where ``group`` has done each topic and partition.

    Raises:
        ReadError: no broker answers.
    """
    async with administering(servers) as admin:
        found = await admin.list_consumer_group_offsets(group)
    return {(tp.topic, tp.partition): each.offset for tp, each in found.items()}


async def read(
    servers: str,
    topics: Sequence[str],
    *,
    start: Offsets | None = None,
    until: Offsets | None = None,
    follow: bool = False,
) -> AsyncIterator[Any]:
    """Yield the records of ``topics``, in order within a partition.

    start: where to begin; a partition it lacks begins at its beginning.
    until: where to end; by default the ends as they are now, with ``follow`` never.
    """
    async with consuming(servers, topics) as consumer:
        first = await consumer.beginning_offsets(consumer.assignment())
        for partition, offset in first.items():
            consumer.seek(partition, max(offset, (start or {}).get(partition, 0)))
        ends = {} if follow else until or await consumer.end_offsets(consumer.assignment())
        while follow or await _unread(consumer, ends):
            fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
            for partition, records in fetched.items():
                for record in records:
                    if follow or record.offset < ends.get(partition, 0):
                        yield record


def _unreachable(servers: str) -> str:
    return f"no Kafka answers at {servers}: run `changeover up`, or set KAFKA_BOOTSTRAP_SERVERS"


async def _unread(consumer: AIOKafkaConsumer, ends: Offsets) -> bool:
    positions = {partition: await consumer.position(partition) for partition in ends}
    done = [partition for partition, end in ends.items() if positions[partition] >= end]
    consumer.pause(*done)
    return len(done) < len(ends)


@asynccontextmanager
async def producing(servers: str) -> AsyncIterator[AIOKafkaProducer]:
    """Enter with a producer whose records are acknowledged by all in-sync replicas, once.

    Raises:
        ReadError: no broker answers, or one refused a record.
    """
    producer = AIOKafkaProducer(
        bootstrap_servers=servers,
        acks="all",
        enable_idempotence=True,
        max_request_size=LARGEST_RECORD,
    )
    try:
        await producer.start()
        yield producer
    except KafkaError as error:
        raise ReadError(f"{servers}: {error}") from None
    finally:
        await producer.stop()
