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
from app.stream.batches import each_batch
from app.stream.producer import send_all
from schemas import topics
from tables import states

log = structlog.get_logger()
STREAMS = frozenset((topics.TRANSITIONS, topics.PROBES, topics.LIVENESS))
LOOK_S = 1.0


listener = Folding(states.liveness, topics.LIVENESS)
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
            before = {}
            watcher.deaf()  # however long it takes, nobody is heard meanwhile
            continue
        try:
            ends = await apps.decide.ends(STREAMS)
        except KafkaError as error:
            log.warning("ends_unknown", error=str(error))
            watcher.deaf()
            continue
        # Compared with the ends a look ago: while records come, nobody is ever at the very end.
        behind = {
            tp.partition
            for tp, end in ends.items()
            if apps.decide.handled(tp) < before.get(tp, end)
        }
        before = ends
        ours = {tp.partition for tp in ends}
        await send_all(apps.decide, watcher.look(ours, ours - behind, time.time()))


states.liveness.on_recover(recovered)
apps.decide.task(watch)
