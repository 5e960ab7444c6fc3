"""Writes the read models of devices and of their log lines."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.dashboard.models import DeviceRow, LineRow
from schemas.events import EdgeEvent, Reading, Transition


def appended(record: Any) -> datetime:
    """Return when the broker took ``record``."""
    return datetime.fromtimestamp(record.timestamp / 1_000, UTC)


def write_event(session: Session, record: Any, event: EdgeEvent) -> None:
    """Write what ``event``, which lies in ``record``, says of its device."""
    row = session.get(DeviceRow, event.device)
    if row is None:
        row = DeviceRow(name=event.device, heard_at=appended(record), context_at=event.ts)
        session.add(row)
    row.heard_at = max(row.heard_at, appended(record))
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
        appended_at=appended(record),
    )
