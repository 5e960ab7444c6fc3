"""What the pages show, read from the read models."""

from collections import defaultdict
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Engine, Select, func, select
from sqlalchemy.orm import Session

from app.dashboard.models import (
    AlertRow,
    AnswerRow,
    DeliveryRow,
    DeviceRow,
    LineRow,
    MalformedRow,
    MessageRow,
    NotificationRow,
)
from app.masking import masked
from schemas import topics

LATEST = 20


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as it was made."""

    id: str
    device: str
    rule: str
    kind: str
    severity: str
    stream: str
    at: datetime
    episode: datetime
    suppressed: int
    cause: dict[str, Any]
    origin: str
    appended_at: datetime
    copies: int


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device and what is firing there, by rule."""

    name: str
    heard_at: datetime
    source: str | None
    source_since: datetime | None = None
    in_window: bool | None
    power_w: float | None
    battery_v: float | None
    soc_pct: float | None
    measured_at: datetime | None
    firing: list[Notification] = []


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """What could not be read."""

    device: str
    origin: str
    reason: str
    text: str
    appended_at: datetime


class Fleet(msgspec.Struct, frozen=True):
    """Every device, firing ones first; the latest notifications; what could not be read."""

    devices: list[Device]
    latest: list[Notification]
    malformed: int
    unread: list[Unread]


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The log line with which it began, and where it lies."""

    log: str
    line: int
    text: str
    ts: datetime
    topic: str
    partition: int
    offset: int
    epoch: str
    seq: int
    appended_at: datetime


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step in the life of a message."""

    kind: str
    detail: str
    appended_at: datetime


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """One message and what became of it. text: None when it was never written."""

    recipient: str
    channel: str
    address: str
    text: str | None
    appended_at: datetime | None
    steps: list[Step]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Who took note (``taken``), or did not answer (``unanswered``) and why that is said."""

    kind: str
    who: str
    reason: str
    appended_at: datetime


class Story(msgspec.Struct, frozen=True):
    """A notification from log line to outcome.

    answers: to its episode. episode: all decisions of the same episode.
    """

    notification: Notification
    line: Line | None
    messages: list[Told]
    answers: list[Answer]
    episode: list[Notification]


def fleet(engine: Engine) -> Fleet:
    """Return all of it."""
    with Session(engine) as session:
        devices = _devices(session, select(DeviceRow).order_by(DeviceRow.name))
        newest = select(NotificationRow).order_by(NotificationRow.appended_at.desc())
        latest = [_convert(row, Notification) for row in session.scalars(newest.limit(LATEST))]
        malformed = session.scalar(select(func.count()).select_from(MalformedRow)) or 0
        last = select(MalformedRow).order_by(MalformedRow.appended_at.desc()).limit(5)
        unread = [_convert(row, Unread) for row in session.scalars(last)]
    devices.sort(key=lambda device: not device.firing)
    return Fleet(devices, latest, malformed, unread)


def device(engine: Engine, name: str) -> tuple[Device, list[Notification]] | None:
    """Return a device with its notifications, newest first; None if nothing was heard of it."""
    with Session(engine) as session:
        found = _devices(session, select(DeviceRow).where(DeviceRow.name == name))
        if not found:
            return None
        mine = select(NotificationRow).where(NotificationRow.device == name)
        newest = mine.order_by(NotificationRow.at.desc()).limit(5 * LATEST)
        told = [_convert(each, Notification) for each in session.scalars(newest)]
        return found[0], told


def story(engine: Engine, identity: str) -> Story | None:
    """Return the whole story of a notification; None if there is none of that id."""
    with Session(engine) as session:
        row = session.get(NotificationRow, identity)
        if row is None:
            return None
        notification = _convert(row, Notification)
        begun = select(LineRow).where(
            LineRow.device == row.device, LineRow.topic == row.stream, LineRow.ts == row.episode
        )
        line = session.scalars(begun.order_by(LineRow.offset.desc())).first()
        episode = session.scalars(_same(NotificationRow, row).order_by(NotificationRow.at))
        answers = session.scalars(_same(AnswerRow, row).order_by(AnswerRow.appended_at))
        return Story(
            notification,
            None if line is None else _convert(line, Line),
            _messages(session, identity),
            [_convert(each, Answer) for each in answers],
            [_convert(each, Notification) for each in episode],
        )


def _same(kind: Any, row: NotificationRow) -> Any:
    """Return the query of what is about the episode of ``row``."""
    return select(kind).where(
        kind.device == row.device, kind.rule == row.rule, kind.episode == row.episode
    )


def _messages(session: Session, identity: str) -> list[Told]:
    steps: dict[str, list[DeliveryRow]] = defaultdict(list)
    wanted = select(DeliveryRow).where(DeliveryRow.notification == identity)
    for row in session.scalars(wanted.order_by(DeliveryRow.appended_at, DeliveryRow.offset)):
        steps[row.message].append(row)
    written = select(MessageRow).where(MessageRow.notification == identity)
    messages = {row.id: row for row in session.scalars(written)}
    told = []
    for key in messages.keys() | steps.keys():
        message, life = messages.get(key), steps[key]
        first = message or life[0]
        told.append(
            Told(
                recipient=first.recipient,
                channel=first.channel,
                address="" if message is None else masked(message.channel, message.address),
                text=None if message is None else message.text,
                appended_at=None if message is None else message.appended_at,
                steps=[_convert(row, Step) for row in life],
            )
        )
    return sorted(told, key=lambda each: (each.recipient, each.channel))


def _firing(session: Session) -> dict[str, list[Notification]]:
    """Return the newest decision of every alert that is firing, by device."""
    newest = select(NotificationRow).join(AlertRow, AlertRow.notification == NotificationRow.id)
    firing: dict[str, list[Notification]] = defaultdict(list)
    for row in session.scalars(newest.where(AlertRow.firing).order_by(NotificationRow.rule)):
        firing[row.device].append(_convert(row, Notification))
    return firing


def _devices(session: Session, wanted: Select[DeviceRow]) -> list[Device]:
    firing = _firing(session)
    moved = select(LineRow.device, func.max(LineRow.ts)).where(LineRow.topic == topics.TRANSITIONS)
    since = dict(iter(session.execute(moved.group_by(LineRow.device))))
    return [
        msgspec.structs.replace(
            _convert(row, Device), source_since=since.get(row.name), firing=firing[row.name]
        )
        for row in session.scalars(wanted)
    ]


def _convert(row: Any, kind: type[Any]) -> Any:
    given = {field: getattr(row, field) for field in kind.__struct_fields__ if hasattr(row, field)}
    return kind(**given)
