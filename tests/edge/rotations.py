"""A log whose name moves from file to file, and a tail that follows it. Times are seconds."""

import gzip
import os
import shutil
from collections import Counter
from collections.abc import MutableMapping
from datetime import UTC
from pathlib import Path
from typing import Any

from edge.log_file import Entry, Position
from edge.parse import Bad, ParsedLine, ReadingLine, parse
from edge.tail import Tail
from tests.edge.logs import READINGS, reading_text

Events = list[MutableMapping[str, Any]]

SETTLE_S = 2
LONG_S = 12  # until nobody finishes a line in a rotated file


def said(item: ParsedLine | Bad | None, raw: bytes) -> object:
    """Return what a line says, whatever its number."""
    return (item.at, item.power_w, item.energy_wh) if isinstance(item, ReadingLine) else raw


def says(raw: bytes) -> object:
    """Return what the line ``raw`` says."""
    return said(parse(READINGS, 2, raw), raw)


class Follower:
    """A tail with its clock, and what it released. positions: what a spool would have stored."""

    def __init__(self, folder: Path, log: str = READINGS) -> None:
        self.path = folder / log
        self.positions: dict[str, Position] = {}
        self.released: list[Entry] = []
        self.now_s = 0.0
        self.restart()

    def restart(self) -> None:
        """Begin anew from what is stored; what was read and not released is forgotten."""
        self.tail = Tail(self.path.parent, self.positions, UTC, SETTLE_S)

    def step(self, seconds: float = 0.25) -> None:
        """Let time pass, look, read and release."""
        self.now_s += seconds
        self.tail.look(self.now_s)
        self.tail.fill()
        entries = self.tail.release(self.now_s)
        self.released += entries
        self.positions |= {entry.log: entry.position for entry in entries}

    def settle(self, seconds: float = SETTLE_S) -> None:
        """Step until all that is there now is released."""
        self.step()
        self.step(seconds)
        while self.tail.behind or self.tail.queued:
            self.step(seconds)

    @property
    def texts(self) -> list[str]:
        """Return the power of each reading, else the line as it stood there."""
        return [
            f"{entry.item.power_w:g}" if isinstance(entry.item, ReadingLine) else entry.raw.decode()
            for entry in self.released
        ]

    @property
    def said(self) -> Counter[object]:
        """Return what was released."""
        return Counter(said(entry.item, entry.raw) for entry in self.released)


def rename(path: Path) -> None:
    """Rotate ``path`` away: NAME to NAME.1, what is there already to the next number."""
    shift(path)
    path.rename(numbered(path, 1))


def copy_truncate(path: Path) -> None:
    """Copy ``path`` to NAME.1 and empty it."""
    shift(path)
    shutil.copy2(path, numbered(path, 1))
    os.truncate(path, 0)


def copy_back(path: Path) -> None:
    """Put a copy in the place of ``path``, as sed and editors do."""
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def compress(path: Path) -> Path:
    """Put ``path``.gz in the place of ``path``; return it."""
    compressed = path.with_name(path.name + ".gz")
    with gzip.open(compressed, "wb") as file:
        file.write(path.read_bytes())
    path.unlink()
    return compressed


def shift(path: Path) -> None:
    """Make room for another NAME.1."""
    numbers = range(1, 100)
    for old in sorted((n for n in numbers if numbered(path, n).exists()), reverse=True):
        numbered(path, old).rename(numbered(path, old + 1))
    for old in sorted((n for n in numbers if zipped(path, n).exists()), reverse=True):
        zipped(path, old).rename(zipped(path, old + 1))


def numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def zipped(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}.gz")


def put(path: Path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)


def lines(*numbers: int) -> str:
    """Return readings; each is named by its power, and counts at as many seconds."""
    return "".join(reading_text(number, number) for number in numbers)


def told(events: Events) -> list[tuple[str, str]]:
    """Return level and name of what was said."""
    return [(event["log_level"], event["event"]) for event in events]
