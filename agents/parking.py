"""Records that cannot be used: kept whole on ``malformed``; nothing stops and nothing is lost."""

from typing import TypeVar

import msgspec
import structlog

from app.stream.batches import Batch, KafkaRecord
from app.stream.producer import Send
from schemas import codec, topics
from schemas.malformed import malformed

log = structlog.get_logger()
LONGEST_KEY = 1_000  # bytes; a device's name has at most 200 characters
T = TypeVar("T")


class Unfit(Exception):  # noqa: N818 - it is a verdict on a record, not a fault of ours
    """A record that no agent can use, with the reason."""


def parsed(decoder: msgspec.json.Decoder[T], record: KafkaRecord) -> T:
    """Return the record's value.

    Raises:
        Unfit: it is not what the topic holds.
    """
    value = record.value
    if value is None:
        raise Unfit(codec.NO_VALUE)
    try:
        return decoder.decode(value)
    except codec.UNREADABLE as error:
        raise Unfit(str(error)) from None


def parked(batch: Batch, record: KafkaRecord, reason: str) -> Send:
    """Return ``record`` on its way to ``malformed``, whole, with where it stood and why."""
    origin = f"{batch.topic}:{batch.partition}:{record.offset}"
    device = record.key.decode(errors="replace") if record.key else None
    log.warning("record_parked", origin=origin, reason=reason)
    value = codec.encode(malformed(device, origin, reason, record.value or b""))
    key = record.key and record.key[:LONGEST_KEY]
    return Send(topics.MALFORMED, key, value, batch.partition)
