"""What the agents of ``email``, ``sms`` and ``push`` share: each message goes into its outbox."""

from typing import TYPE_CHECKING, Any

from agents.parking import Unfit, parked, parsed
from agents.people import people
from app.stream import apps
from app.stream.batches import Batch, KafkaRecord, each_batch
from app.stream.producer import Send, send_all
from schemas import codec, topics
from schemas.delivery import Queued
from schemas.record import instant
from tables.routing import Recipient

if TYPE_CHECKING:
    from app.directory import Snapshot


async def queue(stream: Any) -> None:
    """Queue every batch of one channel's messages."""
    await each_batch(stream, queue_batch)


async def queue_batch(batch: Batch) -> None:
    """Put each message of ``batch`` into the outbox of its recipient, on today's terms."""
    directory = await people.snapshot()
    await send_all(apps.deliver, [_queued(directory, batch, record) for record in batch.records])


def _queued(directory: "Snapshot", batch: Batch, record: KafkaRecord) -> Send:
    try:
        message = parsed(codec.message, record)
    except Unfit as unfit:
        return parked(batch, record, str(unfit))
    to = Recipient(message.recipient, message.channel, message.address)
    now, grouping_s = instant(record.timestamp), apps.SETTINGS.grouping.total_seconds()
    terms = directory.terms(to, message.device, message.rule, now, grouping_s)
    value = codec.encode(Queued(message=message, terms=terms))
    return Send(topics.DELIVERIES, message.recipient.encode(), value)
