"""Queues the messages of the ``sms`` topic."""

from typing import Any

from agents.queueing import queue
from app.stream import apps
from schemas import topics


@apps.deliver.agent(apps.source(apps.deliver, topics.SMS), concurrency=1)
async def sms(stream: Any) -> None:
    """Queue every batch."""
    await queue(stream)
