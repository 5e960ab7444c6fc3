"""Logs as tests want them, and what a spool holds. Times are seconds from START."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from edge.config import Config
from edge.parse import ActiveLine, ReadingLine, TransitionLine, WindowLine
from edge.spool import Spool
from edge.windows import Opening
from schemas.events import Source

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
TRANSITIONS, READINGS, WINDOWS, ACTIVE = (
    "Transition.log",
    "probeEnergy.log",
    "Op_window.log",
    "activeNotifications.log",
)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def transition(second: float, to: str, line: int = 1) -> TransitionLine:
    return TransitionLine(line, at(second), {}, Source.GRID, Source(to))


def reading(second: float, power_w: float = 1.0, line: int = 1) -> ReadingLine:
    return ReadingLine(line, at(second), {}, power_w, 0.5, None, None)


def window(second: float, of: str, from_: str, to: str, line: int = 1) -> WindowLine:
    return WindowLine(line, at(second), {}, Opening(Source(of), "mon-sun", from_, to, "UTC"))


def active(second: float, line: int = 1) -> ActiveLine:
    return ActiveLine(line, at(second), {}, "1", "grid_lost", "firing", "sim", "sent")


def stamp(second: float) -> str:
    return at(second).isoformat()


def transition_text(second: float, to: str) -> str:
    return f"{stamp(second)} from=grid to={to}\n"


def reading_text(second: float, power_w: int = 1) -> str:
    return f"{stamp(second)} power_w={power_w} energy_wh=0.5\n"


def append(folder: Path, log: str, text: str | bytes) -> None:
    with (folder / log).open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)


def write_many(folder: Path, count: int) -> None:
    """Write ``count`` readings, 10 s apart, and some of everything else."""
    append(folder, READINGS, "".join(reading_text(10 * n, n % 900) for n in range(count)))
    turns = ("inverter", "generator", "grid")
    changes = (transition_text(10 * n, turns[n // 7 % 3]) for n in range(0, count, 7))
    append(folder, TRANSITIONS, "".join(changes))
    windows = f"{stamp(5)} source=generator days=mon-sun from=00:10 to=00:20\nnonsense\n"
    append(folder, WINDOWS, windows)
    append(folder, ACTIVE, b"\xff broken\n")


def config(folder: Path, brokers: Iterable[str] = ("127.0.0.1:1",), tick_s: float = 15) -> Config:
    return Config(
        device="home",
        logs=folder,
        brokers=tuple(brokers),
        tick=timedelta(seconds=tick_s),
        settle=timedelta(seconds=2),
        zone=UTC,
        spool=folder / "spool.db",
    )


def records(spool: Spool) -> list[tuple[str, dict[str, Any]]]:
    """Return topic and record of every waiting row, without what differs from run to run."""
    rows = [(row.topic, msgspec.json.decode(row.value)) for row in spool.read(10**6)]
    return [(topic, without_run(record)) for topic, record in rows]


def without_run(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in {"epoch", "run"}}


def environment() -> dict[str, str]:
    """Return the environment of a child, without what would redirect it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KAFKA_")}
