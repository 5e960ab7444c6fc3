"""Writes the read models from the topics.

A fetched batch and the offsets behind it are one transaction, so each record is applied once; rows
are named by what the records themselves say, so that building anew gives the same.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from aiokafka import TopicPartition
from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from app.dashboard.models import (
    AlertRow,
    Base,
    DeliveryRow,
    DeviceRow,
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
from schemas.events import EdgeEvent, Reading, Transition
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
                _forget(session, _appended(records[-1]) - READINGS_KEPT)


def _apply(session: Session, record: Any) -> None:
    value = codec.decode(codec.any_record, record.value)
    for kind, write in WRITERS:
        if isinstance(value, kind):
            write(session, record, value)


def _appended(record: Any) -> datetime:
    return datetime.fromtimestamp(record.timestamp / 1_000, UTC)


def _event(session: Session, record: Any, event: EdgeEvent) -> None:
    row = session.get(DeviceRow, event.device)
    if row is None:
        row = DeviceRow(name=event.device, heard_at=_appended(record), context_at=event.ts)
        session.add(row)
    row.heard_at = max(row.heard_at, _appended(record))
    if event.ts >= row.context_at:  # nothing orders two topics but the events' own time
        row.source, row.in_window = event.source or row.source, event.in_window
        row.context_at = event.ts
    if isinstance(event, Reading):
        row.measured_at, row.power_w = event.ts, event.power_w
        row.battery_v = row.battery_v if event.battery_v is None else event.battery_v
        row.soc_pct = row.soc_pct if event.soc_pct is None else event.soc_pct
    if isinstance(event, Reading | Transition) and not _known(session, record, event):
        session.add(_line(record, event))


def _known(session: Session, record: Any, event: EdgeEvent) -> bool:
    """Return whether the line is there already: an edge sends again what was not acknowledged."""
    same = select(LineRow.id).where(
        LineRow.device == event.device,
        LineRow.topic == record.topic,
        LineRow.epoch == event.epoch,
        LineRow.seq == event.seq,
    )
    return session.scalar(same) is not None


def _line(record: Any, event: Reading | Transition) -> LineRow:
    if isinstance(event, Transition):
        log, text = "Transition.log", f"from={event.from_} to={event.to}"
    else:
        fields = ("power_w", "energy_wh", "battery_v", "soc_pct")
        known = ((field, getattr(event, field)) for field in fields)
        text = " ".join(f"{field}={value:g}" for field, value in known if value is not None)
        log = "probeEnergy.log"
    return LineRow(
        device=event.device,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        ts=event.ts,
        log=log,
        line=event.line,
        text=text,
        epoch=event.epoch,
        seq=event.seq,
        appended_at=_appended(record),
    )


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
            appended_at=_appended(record),
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
                appended_at=_appended(record),
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
            appended_at=_appended(record),
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
            appended_at=_appended(record),
        )
    )


WRITERS: tuple[tuple[type, Callable[[Session, Any, Any], None]], ...] = (
    (EdgeEvent, _event),
    (Decision, _decision),
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
