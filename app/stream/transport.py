"""Faust's transport, five defects of its consumer overridden, with a producer to be trusted.

Found in faust-streaming 0.15.3, ``faust/transport/consumer.py``:

* line 776 ff.: the live set of active partitions is handed to the fetching thread, where an empty
  set means all of them; a rebalance empties it in place, and records are dropped.
* line 1215 with 1164: the delivered offset itself is taken for a part of the gap before it, so it
  is acknowledged before it is processed and commits fall behind.
* line 1212: offset 0 is taken for none read, so what lies between it and the end of the next batch
  is never acknowledged, and nothing of the partition is committed any more.
* line 808: while the buffers of all partitions are full nothing is fetched for a whole second.
* line 642 ff.: on revocation what is acknowledged and not yet committed is forgotten.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from faust.transport.drivers import aiokafka as base
from faust.types import TP

FULL_S = 0.005  # until it is looked again whether a buffer has room
NO_PARTITION = frozenset({TP("no partition is active", 0)})


class Consumer(base.Consumer):
    """Faust's consumer without the five defects."""

    async def _getmany(
        self,
        active_partitions: Any,
        timeout: float,  # noqa: ASYNC109 - the name is Faust's
    ) -> Any:
        if active_partitions is not None:
            active_partitions = frozenset(active_partitions) or NO_PARTITION
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
        if offset_to - 1 >= offset_from:
            await super()._add_gap(tp, offset_from, offset_to - 1)

    def _to_message(self, tp: TP, record: Any) -> Any:
        # It is called for a batch when the one before it was handed over.
        if self._read_offset[tp] == 0 and record.offset > 1:
            self._gap[tp].addi(1, record.offset)  # without its end
        return super()._to_message(tp, record)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commit what is acknowledged, then give the partitions up."""
        await self.commit()
        await super().on_partitions_revoked(revoked)


class Producer(base.Producer):
    """Every send is acknowledged by all replicas, and written once."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class Transport(base.Transport):
    """The transport of our apps."""

    Consumer = Consumer
    Producer = Producer
