"""The bare peer of a worker: aiokafka's ``getmany``, our core, a dict, a commit a second.

It does a worker's work and no more: no rebalance, no recovery, no rules that change.
"""

import asyncio
import os
import signal
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from app.stream.envelope import sealed
from app.stream.packed import send_packed
from app.supervisor import READY
from schemas import codec, handover, topics
from tables import entries
from tables.entries import Entry
from tables.intake import take
from tables.rulebook import Rulebook
from tables.rules import default

GROUP = topics.DECIDE
COMMIT_S = 1.0


async def run(servers: str) -> None:
    """Decide on ``transitions`` until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    consumer = AIOKafkaConsumer(
        topics.TRANSITIONS,
        bootstrap_servers=servers,
        group_id=GROUP,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_poll_records=5_000,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=servers,
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        max_batch_size=262_144,
    )
    book, table = Rulebook(topics.TRANSITIONS, default()), dict[bytes, bytes]()
    await consumer.start()
    await producer.start()
    sys.stdout.write(READY.decode() + "\n")
    sys.stdout.flush()
    committed_s = time.monotonic()
    while not stopped.is_set():
        fetched = await consumer.getmany(timeout_ms=200, max_records=5_000)
        for partition, records in fetched.items():
            await _decide(producer, book, table, partition.partition, records)
        if time.monotonic() - committed_s > COMMIT_S:
            await consumer.commit()
            committed_s = time.monotonic()
    await consumer.stop()
    await producer.stop()


async def _decide(
    producer: AIOKafkaProducer,
    book: Rulebook,
    table: dict[bytes, bytes],
    partition: int,
    records: list[object],
) -> None:
    kept: dict[bytes, tuple[int, Entry]] = {}
    sent = []
    for record in records:
        key: bytes = record.key  # type: ignore[attr-defined]
        event = codec.supply_event.decode(record.value)  # type: ignore[attr-defined]
        held = kept.get(key)
        if held is None:
            stored = table.get(key)
            entry = Entry() if stored is None else entries.read(stored)
        else:
            entry = held[1]
        after, outcomes = take(book, entry, event, record.timestamp)  # type: ignore[attr-defined]
        kept[key] = (record.offset, after)  # type: ignore[attr-defined]
        sent += [
            await producer.send(
                topics.NOTIFICATIONS, codec.encode(each), key=key, partition=partition
            )
            for each in handover.decided(outcomes)
        ]
    await asyncio.gather(*sent)
    await _store(producer, table, partition, kept)


async def _store(
    producer: AIOKafkaProducer,
    table: dict[bytes, bytes],
    partition: int,
    kept: dict[bytes, tuple[int, Entry]],
) -> None:
    changelog = topics.changelog(topics.DECIDE, topics.SUPPLY_TABLE)
    values: list[tuple[bytes, bytes]] = []
    for key, (offset, entry) in kept.items():
        state = table[key] = entries.written(entry)
        values.append((key, sealed(offset, state)))
    await asyncio.gather(*await send_packed(producer, changelog, partition, values))


if __name__ == "__main__":
    asyncio.run(run(os.environ["KAFKA_BOOTSTRAP_SERVERS"]))
