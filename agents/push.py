"""Queues the messages of the ``push`` topic."""

from typing import Any

from agents.queueing import queue
from app.stream import apps
from schemas import topics


@apps.deliver.agent(apps.source(apps.deliver, topics.PUSH), concurrency=1)
async def push(stream: Any) -> None:
    """Queue every batch."""
    await queue(stream)
