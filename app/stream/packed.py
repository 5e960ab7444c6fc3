"""Many records of one partition in as few batches as they fit, which is aiokafka's fast way."""

from asyncio import Future
from collections.abc import Iterable

from aiokafka import AIOKafkaProducer


async def send_packed(
    producer: AIOKafkaProducer, topic: str, partition: int, records: Iterable[tuple[bytes, bytes]]
) -> list[Future[object]]:
    """Send ``records`` (keys and values) in order; return what to await until they are written."""
    sent: list[Future[object]] = []
    batch = producer.create_batch()
    for key, value in records:
        if batch.append(key=key, value=value, timestamp=None) is None:
            batch.close()
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
    if batch.record_count():
        batch.close()
        sent.append(await producer.send_batch(batch, topic, partition=partition))
    return sent
