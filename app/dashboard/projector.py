"""Writes the read models from the topics.

A fetched batch and the offsets behind it are one transaction, so each record is applied once; rows
are named by what the records themselves say, so that building anew gives the same.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import UnionType
from typing import Any

import msgspec
from aiokafka import TopicPartition
from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from app.dashboard.lines import appended, write_event
from app.dashboard.models import (
    AlertRow,
    AnswerRow,
    Base,
    DeliveryRow,
    LineRow,
    MalformedRow,
    MessageRow,
    NotificationRow,
    ReadTo,
)
from app.kafka import POLL_MS, consuming
from schemas import codec, topics
from schemas.decision import Decision, Kind
from schemas.delivery import (
    Attempt,
    Delivered,
    Delivery,
    DeliveryRecord,
    Expired,
    Failed,
    Message,
    Sent,
    Unknown,
    Waits,
)
from schemas.escalation import Taken, Unanswered
from schemas.events import EdgeEvent
from schemas.malformed import Malformed

TOPICS = (
    topics.TRANSITIONS,
    topics.PROBES,
    topics.NOTIFICATIONS,
    topics.EMAIL,
    topics.SMS,
    topics.PUSH,
    topics.DELIVERIES,
    topics.MALFORMED,
)
READINGS_KEPT = timedelta(hours=24)
SHOWN = 500
FIRING = (Kind.FIRED, Kind.REPEATED, Kind.SUPPRESSED)


def prepare(engine: Engine, *, anew: bool = False) -> None:
    """Make the tables of the read models; ``anew``: drop them first, they will be written again."""
    if anew:
        Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)


async def project(engine: Engine, servers: str, *, once: bool = False) -> None:
    """Follow the topics for ever; ``once``: to their ends as they are now.

    Raises:
        ReadError: no broker answers at ``servers``, or a topic is missing.
    """
    async with consuming(servers, TOPICS) as consumer:
        start = await asyncio.to_thread(offsets, engine)
        ends = await consumer.end_offsets(consumer.assignment())
        for partition, first in (await consumer.beginning_offsets(list(ends))).items():
            consumer.seek(partition, max(first, start.get(partition, 0)))
        while not once or await _unread(consumer, ends):
            fetched = await consumer.getmany(timeout_ms=POLL_MS)
            if fetched:
                await asyncio.to_thread(apply, engine, fetched)


async def _unread(consumer: Any, ends: Mapping[TopicPartition, int]) -> bool:
    return any([await consumer.position(each) < end for each, end in ends.items()])


def offsets(engine: Engine) -> dict[TopicPartition, int]:
    """Return where each partition is to be read on."""
    with Session(engine) as session:
        rows = session.scalars(select(ReadTo))
        return {TopicPartition(row.topic, row.partition): row.next_offset for row in rows}


def apply(engine: Engine, fetched: Mapping[TopicPartition, Sequence[Any]]) -> None:
    """Write what ``fetched``, records by partition, says, in one transaction."""
    with Session(engine) as session, session.begin():
        for partition, records in fetched.items():
            read_to = session.get(ReadTo, (partition.topic, partition.partition))
            done = 0 if read_to is None else read_to.next_offset
            for record in records:
                if record.offset >= done:
                    _apply(session, record)
            next_offset = max(done, records[-1].offset + 1)
            session.merge(
                ReadTo(
                    topic=partition.topic, partition=partition.partition, next_offset=next_offset
                )
            )
            if partition.topic == topics.NOTIFICATIONS:
                _forget(session, appended(records[-1]) - READINGS_KEPT)


def _apply(session: Session, record: Any) -> None:
    value = codec.decode(codec.any_record, record.value)
    for kind, write in WRITERS:
        if isinstance(value, kind):
            write(session, record, value)


def _decision(session: Session, record: Any, decision: Decision) -> None:
    row = session.get(NotificationRow, decision.id)
    if row is not None:
        row.copies += 1
        return
    origin = dict(record.headers).get("origin", b"").decode(errors="replace")
    session.add(
        NotificationRow(
            id=decision.id,
            device=decision.device,
            rule=decision.rule,
            kind=decision.kind,
            severity=decision.severity,
            stream=decision.stream,
            at=decision.at,
            episode=decision.episode,
            suppressed=decision.suppressed,
            cause=msgspec.to_builtins(decision.cause),
            origin=origin,
            appended_at=appended(record),
            copies=0,
        )
    )
    alert = session.get(AlertRow, (decision.device, decision.rule))
    if alert is None or decision.at >= alert.at:
        session.merge(
            AlertRow(
                device=decision.device,
                rule=decision.rule,
                firing=decision.kind in FIRING,
                at=decision.at,
                notification=decision.id,
            )
        )


def _answer(session: Session, record: Any, answer: Taken | Unanswered) -> None:
    match answer:
        case Taken():
            who, reason = answer.by, ""
        case Unanswered():
            who, reason = answer.recipient, answer.reason
    session.merge(
        AnswerRow(
            id=answer.id,
            device=answer.device,
            rule=answer.rule,
            episode=answer.episode,
            kind=str(answer.__struct_config__.tag),
            who=who,
            reason=reason,
            appended_at=appended(record),
        )
    )


def _message(session: Session, record: Any, message: Message) -> None:
    if session.get(MessageRow, message.id) is None:
        session.add(
            MessageRow(
                id=message.id,
                notification=message.notification,
                recipient=message.recipient,
                channel=message.channel,
                address=message.address,
                text=message.text,
                appended_at=appended(record),
            )
        )


def _delivery(session: Session, record: Any, delivery: Delivery) -> None:
    match delivery:
        case Attempt():
            detail = str(delivery.ordinal)
        case Sent():
            detail = delivery.shown
        case Delivered():
            detail = delivery.reference
        case Failed() | Unknown() | Expired() | Waits():
            detail = delivery.reason
    session.add_all(
        DeliveryRow(
            partition=record.partition,
            offset=record.offset,
            number=number,
            message=message,
            notification=notification,
            recipient=delivery.recipient,
            channel=delivery.channel,
            kind=str(delivery.__struct_config__.tag),
            detail=detail,
            appended_at=appended(record),
        )
        for number, (message, notification) in enumerate(
            zip(delivery.messages, delivery.notifications, strict=True)
        )
    )


def _malformed(session: Session, record: Any, malformed: Malformed) -> None:
    session.add(
        MalformedRow(
            partition=record.partition,
            offset=record.offset,
            device=malformed.device or "",
            origin=malformed.origin,
            reason=malformed.reason,
            text=(malformed.text or malformed.base64 or "")[:SHOWN],
            appended_at=appended(record),
        )
    )


WRITERS: tuple[tuple[type | UnionType, Callable[[Session, Any, Any], None]], ...] = (
    (EdgeEvent, write_event),
    (Decision, _decision),
    (Taken | Unanswered, _answer),
    (Message, _message),
    (DeliveryRecord, _delivery),
    (Malformed, _malformed),
)


def _forget(session: Session, before: datetime) -> None:
    """Forget readings from before, except those with which a notification began.

    Only as far as notifications are read, so that building anew forgets no more.
    """
    begun = select(NotificationRow.episode).where(NotificationRow.device == LineRow.device)
    session.execute(
        delete(LineRow)
        .where(LineRow.topic == topics.PROBES, LineRow.appended_at < before)
        .where(LineRow.ts.not_in(begun)),
        execution_options={"synchronize_session": False},
    )
