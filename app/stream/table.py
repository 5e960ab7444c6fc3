"""A table of bytes whose changelog is written and read in batches.

Recovery keeps the highest source offset of a key, at equal offsets the later record: Kafka fences
the members of a group and not their producers.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Any, cast

from faust.stores.memory import Store as MemoryStore
from faust.tables.manager import TableManager
from faust.tables.table import Table as FaustTable
from faust.types import TP

from app.stream.batches import BatchSchema
from app.stream.envelope import holds, opened, sealed
from app.stream.packed import send_packed
from app.stream.watch import pulse

NEVER = -1


class Store(MemoryStore[bytes, bytes]):
    """The values of each partition in a dictionary of its own: a key costs one entry, not two."""

    def __post_init__(self) -> None:
        """Begin empty."""
        self.partitions: dict[int, dict[bytes, bytes]] = {}

    def of(self, partition: int) -> dict[bytes, bytes]:
        """Return the values of ``partition``."""
        return self.partitions.setdefault(partition, {})

    def _clear(self) -> None:
        self.partitions.clear()

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Forget the partitions that are another worker's now."""
        ours = {partition for _, partition in active_tps}
        for partition in self.partitions.keys() - ours:
            del self.partitions[partition]


class Manager(TableManager):
    """Faust's, which sleeps a second in case tables are made late: ours are made on import."""

    async def on_start(self) -> None:
        """Subscribe to the changelogs, and recover."""
        await self._update_channels()
        await self.recovery.start()


class Table(FaustTable[bytes, bytes]):
    """Bytes by bytes, keyed and partitioned like ``source``, the topic of its agent."""

    source: str = ""

    @cached_property
    def _kept(self) -> Store:
        store: Any = self.data
        return cast("Store", store)

    def _new_store(self) -> Any:
        return Store(self.app.conf.store, self.app, self)

    def _new_changelog_topic(self, **kwargs: Any) -> Any:
        topic: Any = super()._new_changelog_topic(**kwargs)
        topic.schema = BatchSchema(
            key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        topic._compile_decode()  # the topic compiled its own schema when it was made
        return topic

    def apply_changelog_batch(self, batch: Iterable[Any]) -> None:
        """Take the records of the changelog into memory, the highest source offset of each key."""
        for event in batch:
            if event.message.topic != self.changelog_topic_name:
                continue  # tables/recovery.py goes on with the last table it knew
            values = self._kept.of(event.message.partition)
            for record in event.message.value:
                value = record.value
                if value is None:  # nobody of ours says that a state is gone
                    continue
                old = values.setdefault(record.key, value)
                if old is not value and holds(value, old):
                    values[record.key] = value

    def read(self, partition: int, key: bytes) -> tuple[int, bytes | None]:
        """Return the source offset to which ``key`` was folded, at first -1, and its state."""
        value = self._kept.of(partition).get(key)
        return (NEVER, None) if value is None else opened(value)

    def held(self) -> Mapping[int, Collection[bytes]]:
        """Return the keys of everything that is kept here, by partition."""
        return {partition: values.keys() for partition, values in self._kept.partitions.items()}

    async def store(self, partition: int, states: Mapping[bytes, tuple[int, bytes]]) -> None:
        """Write ``states`` (by key: source offset and state) to the changelog, then to memory.

        Returns when the broker has acknowledged all of them. Raises what the producer raises:
        then memory is as it was, and the changelog holds some of them.
        """
        values = {key: sealed(offset, state) for key, (offset, state) in states.items()}
        await self._write(partition, values)
        self._kept.of(partition).update(values)

    async def _write(self, partition: int, values: Mapping[bytes, bytes]) -> None:
        pulse.check()
        ours: Any = self.app.producer
        producer = ours._producer  # aiokafka's, because Faust's sends one by one
        sent = await send_packed(producer, self.changelog_topic_name, partition, values.items())
        await asyncio.gather(*sent)
