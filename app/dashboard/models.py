"""The read models. They hold nothing that the topics do not: dropped, they are written again."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Instant(TypeDecorator[datetime]):
    """An instant in UTC; SQLite keeps no zone."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Return ``value`` in UTC, without its zone."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:
        """Return the stored value as what it is: UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """The metadata of the read models."""

    type_annotation_map = {datetime: Instant, dict[str, Any]: JSON}  # noqa: RUF012 - SQLAlchemy's


class ReadTo(Base):
    """How far a partition was read."""

    __tablename__ = "read_to"

    topic: Mapped[str] = mapped_column(primary_key=True)
    partition: Mapped[int] = mapped_column(primary_key=True)
    next_offset: Mapped[int]


class DeviceRow(Base):
    """A device: its newest values.

    heard_at: when the broker last took a record of it. context_at: the instant of the context.
    """

    __tablename__ = "read_device"

    name: Mapped[str] = mapped_column(primary_key=True)
    heard_at: Mapped[datetime]
    context_at: Mapped[datetime]
    source: Mapped[str | None]
    in_window: Mapped[bool | None]
    power_w: Mapped[float | None]
    battery_v: Mapped[float | None]
    soc_pct: Mapped[float | None]
    measured_at: Mapped[datetime | None]


class LineRow(Base):
    """A log line as an event: where it stood, and where it lies now."""

    __tablename__ = "read_line"
    __table_args__ = (UniqueConstraint("device", "topic", "epoch", "seq"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(index=True)
    topic: Mapped[str]
    partition: Mapped[int]
    offset: Mapped[int]
    ts: Mapped[datetime] = mapped_column(index=True)
    log: Mapped[str]
    line: Mapped[int]
    text: Mapped[str]
    epoch: Mapped[str]
    seq: Mapped[int]
    appended_at: Mapped[datetime]


class NotificationRow(Base):
    """A decision. origin: the record that revealed it. copies: how often it was written again."""

    __tablename__ = "read_notification"

    id: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(index=True)
    rule: Mapped[str]
    kind: Mapped[str]
    severity: Mapped[str]
    stream: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)
    episode: Mapped[datetime]
    suppressed: Mapped[int]
    cause: Mapped[dict[str, Any]]
    origin: Mapped[str]
    appended_at: Mapped[datetime]
    copies: Mapped[int]


class AnswerRow(Base):
    """That somebody took note of an episode, or did not answer. kind: the record's tag."""

    __tablename__ = "read_answer"

    id: Mapped[str] = mapped_column(primary_key=True)
    device: Mapped[str] = mapped_column(index=True)
    rule: Mapped[str]
    episode: Mapped[datetime]
    kind: Mapped[str]
    who: Mapped[str]
    reason: Mapped[str]
    appended_at: Mapped[datetime]


class AlertRow(Base):
    """The newest decision on one rule of one device, and whether it is firing since."""

    __tablename__ = "read_alert"

    device: Mapped[str] = mapped_column(primary_key=True)
    rule: Mapped[str] = mapped_column(primary_key=True)
    firing: Mapped[bool] = mapped_column(index=True)
    at: Mapped[datetime]
    notification: Mapped[str]


class MessageRow(Base):
    """A message to one address."""

    __tablename__ = "read_message"

    id: Mapped[str] = mapped_column(primary_key=True)
    notification: Mapped[str] = mapped_column(index=True)
    recipient: Mapped[str]
    channel: Mapped[str]
    address: Mapped[str]
    text: Mapped[str]
    appended_at: Mapped[datetime]


class DeliveryRow(Base):
    """A step in the life of a message. number: of those that one record is about."""

    __tablename__ = "read_delivery"

    partition: Mapped[int] = mapped_column(primary_key=True)
    offset: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    message: Mapped[str]
    notification: Mapped[str] = mapped_column(index=True)
    recipient: Mapped[str]
    channel: Mapped[str]
    kind: Mapped[str]
    detail: Mapped[str]
    appended_at: Mapped[datetime]


class MalformedRow(Base):
    """What could not be read. text: its beginning."""

    __tablename__ = "read_malformed"

    partition: Mapped[int] = mapped_column(primary_key=True)
    offset: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    device: Mapped[str]
    origin: Mapped[str]
    reason: Mapped[str]
    text: Mapped[str]
    appended_at: Mapped[datetime]
