"""A table of bytes whose changelog is written and read in batches.

A value is eight bytes of the next source offset, big-endian, then the state. Recovery keeps the
highest offset of a key, at equal offsets the later record: a paused worker may still write after it
lost its partition, because Kafka fences the members of a group and not their producers.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from faust.tables.table import Table as FaustTable

from app.stream.batches import BatchSchema
from app.stream.watch import pulse

OFFSET_BYTES = 8
NEVER = -1


class Table(FaustTable[bytes, bytes]):
    """Bytes by bytes, keyed and partitioned like the source topic of its agent."""

    def _new_changelog_topic(self, **kwargs: Any) -> Any:
        topic: Any = super()._new_changelog_topic(**kwargs)
        topic.schema = BatchSchema(
            key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        topic._compile_decode()  # the topic compiled its own schema when it was made
        return topic

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Take the records of the changelog into memory, the highest source offset of each key."""
        data, partitions = self._memory
        for event in batch:
            if event.message.topic != self.changelog_topic_name:
                continue  # tables/recovery.py goes on with the last table it knew
            for record in event.message.value:
                old = data.get(record.key)
                if old is None or record.value[:OFFSET_BYTES] >= old[:OFFSET_BYTES]:
                    data[record.key] = record.value
                    partitions[record.key] = event.message.partition

    def read(self, key: bytes) -> tuple[int, bytes | None]:
        """Return the source offset to which ``key`` was folded, at first -1, and its state."""
        value = self._memory[0].get(key)
        if value is None:
            return NEVER, None
        return int.from_bytes(value[:OFFSET_BYTES], "big") - 1, value[OFFSET_BYTES:]

    async def store(self, partition: int, states: Mapping[bytes, tuple[int, bytes]]) -> None:
        """Write ``states`` (by key: source offset and state) to the changelog, then to memory.

        Returns when the broker has acknowledged all of them. Raises what the producer raises:
        then memory is as it was, and the changelog holds some of them.
        """
        values = {
            key: (offset + 1).to_bytes(OFFSET_BYTES, "big") + state
            for key, (offset, state) in states.items()
        }
        await self._write(partition, values)
        data, partitions = self._memory
        data.update(values)
        partitions.update(dict.fromkeys(values, partition))

    @property
    def _memory(self) -> tuple[dict[bytes, bytes], dict[bytes, int]]:
        # The partition of each key is what lets Faust forget those that it gives up.
        store: Any = self.data
        return store.data, store._key_partition

    async def _write(self, partition: int, values: Mapping[bytes, bytes]) -> None:
        pulse.check()
        ours: Any = self.app.producer
        producer = ours._producer  # aiokafka's, because Faust's sends one by one
        topic, sent = self.changelog_topic_name, []
        batch = producer.create_batch()
        for key, value in values.items():
            if batch.append(key=key, value=value, timestamp=None) is None:
                batch.close()
                sent.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        if batch.record_count():
            batch.close()
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)
