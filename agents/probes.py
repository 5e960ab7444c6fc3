"""Decides on the ``probes`` stream: what is drained from the inverter, and what its battery has."""

from typing import Any

from agents.deciding import Decider
from app.stream import apps
from app.stream.batches import each_batch
from schemas import topics
from tables.states import energy

decider = Decider(energy, topics.PROBES)


@apps.decide.agent(apps.source(apps.decide, topics.PROBES), concurrency=1)
async def probes(stream: Any) -> None:
    """Fold every batch of readings."""
    await each_batch(stream, decider)
