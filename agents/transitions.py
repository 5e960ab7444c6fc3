"""Decides on the ``transitions`` stream: what carries the load, and for how long."""

from typing import Any

from agents.deciding import Decider
from app.stream import apps
from app.stream.batches import each_batch
from schemas import topics
from tables.states import supply

decider = Decider(supply, topics.TRANSITIONS)


@apps.decide.agent(apps.source(apps.decide, topics.TRANSITIONS), concurrency=1)
async def transitions(stream: Any) -> None:
    """Fold every batch of transitions."""
    await each_batch(stream, decider)
