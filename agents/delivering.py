"""What the agents of the ``deliver`` app share: attempt, hand over, outcome."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import structlog

from agents.parking import Unfit, parked, parsed
from app.providers import folder
from app.stream import apps
from app.stream.batches import Batch, KafkaRecord, each_batch
from app.stream.producer import Send, send_all
from schemas import codec, topics
from schemas.delivery import Attempt, Delivery, Expired, Failed, Message, Sent

log = structlog.get_logger()
SLICE = 200  # so that a rebalance or a crash meets few messages whose outcome is not recorded


async def deliver(stream: Any) -> None:
    """Deliver every batch of one channel's messages into the outbox folder."""
    await each_batch(stream, deliver_batch)


async def deliver_batch(batch: Batch) -> None:
    """Record an attempt at each message, hand it over, record what became of it."""
    for start in range(0, len(batch.records), SLICE):
        await _deliver(batch, batch.records[start : start + SLICE])


async def _deliver(batch: Batch, records: Sequence[KafkaRecord]) -> None:
    messages: list[Message] = []
    sends: list[Send] = []
    for record in records:
        try:
            message = parsed(codec.message, record)
        except Unfit as unfit:
            sends.append(parked(batch, record, str(unfit)))
            continue
        if datetime.now(UTC) > message.useful_until:
            sends.append(_delivery(message, Expired(**_names(message), reason="too old to help")))
        else:
            messages.append(message)
            sends.append(_delivery(message, Attempt(**_names(message), ordinal=1)))
    await send_all(apps.deliver, sends)
    outcomes = await asyncio.to_thread(lambda: [_outcome(message) for message in messages])
    await send_all(apps.deliver, outcomes)


def _outcome(message: Message) -> Send:
    try:
        reference = folder.deliver(apps.SETTINGS.outbox_dir, message)
    except Exception as error:  # one message that cannot be delivered holds up no other
        log.exception("delivery_failed", message=message.id)
        return _delivery(message, Failed(**_names(message), reason=str(error)))
    log.info("delivered", message=message.id, channel=message.channel)
    return _delivery(message, Sent(**_names(message), reference=reference))


def _names(message: Message) -> dict[str, Any]:
    return {
        "message": message.id,
        "notification": message.notification,
        "recipient": message.recipient,
        "channel": message.channel,
    }


def _delivery(message: Message, delivery: Delivery) -> Send:
    return Send(topics.DELIVERIES, message.recipient.encode(), codec.encode(delivery))
