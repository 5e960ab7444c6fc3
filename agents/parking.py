"""Records that cannot be used: kept whole on ``malformed``; nothing stops and nothing is lost."""

from typing import TypeVar

import msgspec
import structlog

from app.stream.batches import Batch, KafkaRecord
from app.stream.producer import Send
from schemas import codec, topics
from schemas.malformed import SHORT, malformed

log = structlog.get_logger()
T = TypeVar("T")


class Unfit(Exception):  # noqa: N818 - it is a verdict on a record, not a fault of ours
    """A record that no agent can use, with the reason."""


def parsed(decoder: msgspec.json.Decoder[T], record: KafkaRecord) -> T:
    """Return the record's value.

    Raises:
        Unfit: it is not what the topic holds.
    """
    value = codec.decode(decoder, record.value)
    if isinstance(value, codec.Unreadable):
        raise Unfit(value.reason)
    return value


def parked(batch: Batch, record: KafkaRecord, reason: str) -> Send:
    """Return ``record`` on its way to ``malformed``, whole, with where it stood and why."""
    origin = f"{batch.topic}:{batch.partition}:{record.offset}"
    device = record.key.decode(errors="replace") if record.key else None
    log.warning("record_parked", origin=origin, reason=reason)
    value = codec.encode(malformed(device, origin, reason, record.value or b""))
    key = record.key and record.key[:SHORT]  # a device's name is a fifth of that
    return Send(topics.MALFORMED, key, value, batch.partition)
