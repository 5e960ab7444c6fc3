"""Delivers the messages of the ``sms`` topic."""

from typing import Any

from agents.delivering import deliver
from app.stream import apps
from schemas import topics


@apps.deliver.agent(apps.source(apps.deliver, topics.SMS), concurrency=1)
async def sms(stream: Any) -> None:
    """Deliver every batch."""
    await deliver(stream)
