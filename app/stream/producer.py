"""Sending: what an agent decided goes out at once and is awaited together."""

import asyncio
from collections.abc import Sequence

import faust
import msgspec

from app.stream.watch import pulse


class Send(msgspec.Struct, frozen=True):
    """One record to send. partition: where to, or None: by the key, as every Kafka client would."""

    topic: str
    key: bytes | None
    value: bytes
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


async def send_all(app: faust.App, sends: Sequence[Send]) -> None:
    """Send all, in order; return when the broker has acknowledged every one.

    Raises:
        Exception: what the producer raised; some may have been written.
    """
    pulse.check()
    acknowledgements = [
        await app.producer.send(
            each.topic, each.key, each.value, each.partition, None, list(each.headers)
        )
        for each in sends
    ]
    await asyncio.gather(*acknowledgements)
