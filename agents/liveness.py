"""Decides on the ``liveness`` stream, and lets the watcher write it."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP

from agents import probes, transitions
from agents.deciding import Folding
from agents.watching import Watcher
from app.stream import apps
from app.stream.batches import KafkaRecord, each_batch
from app.stream.producer import send_all
from app.stream.watch import progress
from schemas import codec, topics
from schemas.decision import Decision
from schemas.liveness import LivenessEvent
from tables import liveness as machine
from tables import states
from tables.liveness import Watched
from tables.rulebook import Rulebook

log = structlog.get_logger()
STREAMS = frozenset((topics.TRANSITIONS, topics.PROBES, topics.LIVENESS))
LOOK_S = 1.0


class Listener(Folding[Watched]):
    """Folds what was noticed."""

    def take(
        self, book: Rulebook, kept: Watched | None, event: LivenessEvent, record: KafkaRecord
    ) -> tuple[Watched, list[Decision], list[tuple[str, bytes]]]:
        """Return the state after ``event`` and what it decides."""
        before = Watched() if kept is None else kept
        return *machine.take(book, before, event, record.appended_ms), []

    def read(self, stored: bytes) -> Watched:
        """Return the state in ``stored``."""
        return machine.read(stored)

    def written(self, kept: Watched) -> bytes:
        """Return ``kept`` as it is stored."""
        return machine.written(kept)


listener = Listener(states.liveness, topics.LIVENESS, codec.liveness_event)
watcher = Watcher(
    (states.supply, states.energy),
    states.liveness,
    apps.SETTINGS.silent_after.total_seconds(),
)
transitions.decider.stored = probes.decider.stored = watcher.heard
listener.stored = watcher.noticed


@apps.decide.agent(apps.source(apps.decide, topics.LIVENESS), concurrency=1)
async def liveness(stream: Any) -> None:
    """Fold every batch of what was noticed."""
    await each_batch(stream, listener)


async def recovered() -> None:
    """Begin anew: the partitions may be others."""
    watcher.rebuild()


async def watch() -> None:
    """Look once a second, for ever."""
    before: Mapping[TP, int] = {}
    while True:
        await asyncio.sleep(LOOK_S)
        if apps.decide.rebalancing or apps.decide.in_recovery:
            continue
        consumer: Any = apps.decide.consumer
        ours = {tp for tp in consumer.assignment() if tp.topic in STREAMS}
        try:
            ends = await consumer.highwaters(*ours) if ours else {}
        except KafkaError as error:
            log.warning("ends_unknown", error=str(error))
            watcher.deaf()
            continue
        # Compared with the ends a look ago: while records come, nobody is ever at the very end.
        behind = {tp.partition for tp in ours if _handled(consumer, tp) < before.get(tp, ends[tp])}
        before = ends
        partitions = {tp.partition for tp in ours}
        await send_all(apps.decide, watcher.look(partitions, partitions - behind, time.time()))


def _handled(consumer: Any, tp: TP) -> int:
    """Return the offset before which everything was handled."""
    handled = progress.handled.get(tp)
    committed: int = consumer._committed_offset[tp] or 0
    return committed if handled is None else max(committed, handled + 1)


states.liveness.on_recover(recovered)
apps.decide.task(watch)
