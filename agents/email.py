"""Queues the messages of the ``email`` topic."""

from typing import Any

from agents.queueing import queue
from app.stream import apps
from schemas import topics


@apps.deliver.agent(apps.source(apps.deliver, topics.EMAIL), concurrency=1)
async def email(stream: Any) -> None:
    """Queue every batch."""
    await queue(stream)
