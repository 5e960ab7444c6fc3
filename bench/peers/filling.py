"""The bare peer of a recovery: ``getmany`` until a dict holds the changelog."""

import asyncio
import os
import sys

from aiokafka import AIOKafkaConsumer, TopicPartition

from app.supervisor import READY
from schemas import topics

PARTITIONS = 4


async def run(servers: str) -> None:
    """Fill a dict, say so, and wait to be ended."""
    changelog = topics.changelog(topics.DECIDE, topics.SUPPLY_TABLE)
    partitions = [TopicPartition(changelog, number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    table: dict[bytes, bytes] = {}
    while [tp for tp, end in ends.items() if await consumer.position(tp) < end]:
        for records in (await consumer.getmany(timeout_ms=200, max_records=5_000)).values():
            for record in records:
                table[record.key] = record.value
    sys.stdout.write(f"{READY.decode()} {len(table)}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run(os.environ["KAFKA_BOOTSTRAP_SERVERS"]))
