"""Faust's transport, the defects of its consumer overridden, with a producer to be trusted.

Found in faust-streaming 0.15.3, ``faust/transport/consumer.py``:

* line 776 ff.: the live set of active partitions is handed to the fetching thread, where an empty
  set means all of them; a rebalance empties it in place, and records are dropped.
* line 1091 ff. with 1215: what lies between two deliveries is noted when it is delivered, and taken
  for acknowledged with anything beside it. A batch that comes again with another end, as after a
  rebalance, is committed before it is processed: a crash then loses it. And behind offset 0, which
  is taken for none, nothing is noted: nothing of the partition is committed any more.
* line 808: while the buffers of all partitions are full nothing is fetched for a whole second, and
  while some are only of the others, for as long as these have nothing.
* ``drivers/aiokafka.py`` line 615: a fetch waits up to 1.5 s for topics on which nothing is said,
  and until it is back nothing more is fetched of those that have a backlog.
* line 642 ff.: on revocation what is acknowledged and not yet committed is forgotten.

Ours are whole batches, those of a partition handled one after the other: all up to the last offset
of the newest one that was acknowledged is done.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from faust.transport.drivers import aiokafka as base
from faust.types import TP

from app.stream.watch import EXIT_UNFINISHED, end, progress

FETCH_WAIT_MS = 50  # 20 fetches a second of an idle worker
FULL_S = 0.02  # until it is looked again whether a buffer has room
NO_PARTITION = frozenset({TP("no partition is active", 0)})


class ConsumerThread(base.AIOKafkaConsumerThread):
    """Faust's thread that fetches, with fetches that return in time."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def committed(self, tp: TP) -> int | None:
        """Return what the group has committed of ``tp``, as the broker knows it."""
        offset: int | None = await self.call_thread(self._ensure_consumer().committed, tp)
        return offset


class Consumer(base.Consumer):
    """Faust's consumer without the defects."""

    _thread: ConsumerThread

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def left_out(self, tp: TP, first: int) -> bool:
        """Return whether ``first`` leaves records out: it is the first offset since an assignment.

        What the group has committed is done, and what is no longer on the topic cannot be.
        """
        committed = await self._thread.committed(tp)
        if committed is not None and first <= committed:
            return False
        earliest = await self.earliest_offsets(tp)
        return first > max(committed or 0, earliest[tp])

    async def _getmany(
        self,
        active_partitions: Any,
        timeout: float,  # noqa: ASYNC109 - the name is Faust's
    ) -> Any:
        if active_partitions is not None:
            active_partitions = frozenset(active_partitions) or NO_PARTITION
        if self._buffered_partitions:  # they may have room long before others have records
            timeout = FULL_S
        return await super()._getmany(active_partitions, timeout)

    async def _wait_next_records(
        self,
        timeout: float,  # noqa: ASYNC109 - the name is Faust's
    ) -> Any:
        if self.flow_active and not self._get_active_partitions():
            await asyncio.sleep(FULL_S)
            return {}, set()
        return await super()._wait_next_records(timeout)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Note nothing: a batch stands for all up to its last offset."""

    def _new_offset(self, tp: TP) -> int | None:
        acknowledged = self._acked[tp]
        if not acknowledged:
            return None
        newest: int = max(acknowledged)
        acknowledged.clear()
        self._acked_index[tp].clear()
        return newest + 1

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit what is acknowledged, then give the partitions up, and that they were full."""
        await self.commit()
        await super().on_partitions_revoked(revoked)
        self._buffered_partitions -= revoked

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Take the partitions: what comes of them need not follow what was handled before."""
        for tp in assigned:
            progress.handled.pop(tp, None)
        tables = [(table.source, table.changelog_topic_name) for table in self.app.tables.values()]
        whole(assigned, tables)
        await super().on_partitions_assigned(assigned, generation_id)


def whole(assigned: set[TP], tables: Iterable[tuple[str, str]]) -> None:
    """Return if each partition of a source comes with its changelog; else end the process.

    tables: the source and the changelog of each. A worker that is given a source alone would fold
    from nothing. Faust's assignor does that to a static member whose former process had stopped
    before it named its tables: one reason why ours are not static.
    """
    for source, changelog in tables:
        for tp in assigned:
            if tp.topic == source and TP(changelog, tp.partition) not in assigned:
                place = f"{tp.topic}:{tp.partition}"
                end(EXIT_UNFINISHED, "assigned_without_table", place=place, changelog=changelog)


class Producer(base.Producer):
    """Every send is acknowledged by all replicas, and written once."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class Transport(base.Transport):
    """The transport of our apps."""

    Consumer = Consumer
    Producer = Producer
