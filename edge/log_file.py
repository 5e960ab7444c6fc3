"""One growing log file: from bytes to a bounded queue of parsed lines."""

import os
import stat
from collections import deque
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import msgspec
import structlog

from edge.parse import LOGS, LONGEST_LINE, Bad, ParsedLine, parse

FIRST = datetime(1, 1, 1, tzinfo=UTC)  # where a log begins with what is no line
CHUNK = 262_144
QUEUE = 4_000
KEPT = 524_288  # of one line; more would not fit a Kafka record

Key = tuple[datetime, int]

log = structlog.get_logger()


class Position(msgspec.Struct, frozen=True):
    """How far a log was spooled.

    dev, inode: which file it was. offset: of the first byte not spooled, always a line's start.
    line: the number of the last line spooled. counted_at: the instant that line counts at.
    """

    dev: int
    inode: int
    offset: int
    line: int
    counted_at: datetime | None


class Entry(msgspec.Struct):
    """A line in its place. raw: its bytes, kept only when it is Bad.

    key: the instant it counts at, and its rank. end: where it ends in the file; what is noted to
    be longer than that holds it.
    """

    log: str
    number: int
    key: Key
    item: ParsedLine | Bad
    raw: bytes
    end: int
    dev: int
    inode: int
    line: int

    @property
    def at(self) -> datetime:
        """Return the instant it counts at; FIRST when no line before it has one."""
        return self.key[0]

    @property
    def position(self) -> Position:
        """Return how far its log is spooled when it is."""
        counted_at = None if self.at == FIRST else self.at
        return Position(self.dev, self.inode, self.end, self.line, counted_at)


class LogFile:
    """Reads one log on from ``position``; a log that does not exist yet is empty.

    read: how many bytes were read. noted: how many there were at the last look.
    """

    def __init__(self, path: Path, position: Position | None, zone: tzinfo) -> None:
        self.name = path.name
        self.queue: deque[Entry] = deque()
        self.read = position.offset if position else 0
        self.noted = self.read
        self._path = path
        self._zone = zone
        self._file = (position.dev, position.inode) if position else None
        self._end = self.read
        self._number = position.line if position else 0
        self._counted_at = position.counted_at if position else None
        self._rank = tuple(LOGS).index(path.name)
        self._partial = b""
        self._cut = 0
        self._marks: deque[tuple[float, int]] = deque()
        self._settled = 0
        self._complaint = ""

    @property
    def behind(self) -> bool:
        """Return whether there are bytes that were noted and not yet read."""
        return self.read < self.noted

    @property
    def noted_at_s(self) -> float | None:
        """Return when what waits was noted first; None if that has settled."""
        return self._marks[0][0] if self._marks else None

    @property
    def unfinished(self) -> int:
        """Return how many bytes of a line without an end were read."""
        return self.read - self._end

    def look(self, now_s: float) -> None:
        """Note how long the file is now."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            self.noted = self.read
            return
        except OSError as error:
            self._complain(str(error.strerror))
            return
        if not stat.S_ISREG(found.st_mode):
            self._complain("it is not a regular file")
            return
        # The device number is no part of the question: it may differ after a reboot.
        if self._file is not None and found.st_ino != self._file[1]:
            self._begin_again("log_replaced")
        elif found.st_size < self.read:
            self._begin_again("log_shortened")
        self._file = (found.st_dev, found.st_ino)
        if found.st_size != self.noted or not self._marks:
            self.noted = found.st_size
            self._marks.append((now_s, found.st_size))

    def fill(self) -> None:
        """Read on while the queue has room, no further than was noted."""
        if not self.behind or len(self.queue) >= QUEUE:
            return
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                if (found.st_dev, found.st_ino) == self._file:
                    self._read_on(file.fileno())
                else:
                    self.noted = self.read  # another file by now: the next look sees it
        except OSError as error:
            self._complain(str(error.strerror))

    def due(self, by_s: float) -> Key | None:
        """Return the place of the last queued line that was noted at ``by_s`` or before."""
        while self._marks and self._marks[0][0] <= by_s:
            self._settled = self._marks.popleft()[1]
        for entry in reversed(self.queue):
            if entry.end <= self._settled or entry.at == FIRST:
                return entry.key
        return None

    def _read_on(self, fd: int) -> None:
        while self.behind and len(self.queue) < QUEUE:
            chunk = os.pread(fd, min(CHUNK, self.noted - self.read), self.read)
            if not chunk:
                self.noted = self.read  # it was shortened since the look
            self.read += len(chunk)
            self._take(chunk)

    def _take(self, chunk: bytes) -> None:
        *whole, rest = chunk.split(b"\n")
        for raw in whole:
            self._line(self._partial + raw if self._partial else raw)
            self._partial, self._cut = b"", 0
        self._partial += rest
        if len(self._partial) > KEPT:
            self._cut += len(self._partial) - KEPT
            self._partial = self._partial[:KEPT]

    def _line(self, raw: bytes) -> None:
        length = len(raw) + self._cut
        self._end += length + 1
        self._number += 1
        item = parse(self.name, self._number, raw, self._zone)
        if item is None:
            return
        if isinstance(item, Bad):
            if length > LONGEST_LINE and (self._cut or length > KEPT):
                item = Bad(f"the line is {length:,} bytes long; the first {KEPT:,} are kept")
                raw = raw[:KEPT]
        else:
            raw = b""
            if self._counted_at is None or item.at > self._counted_at:
                self._counted_at = item.at
        self._queue(item, raw)

    def _queue(self, item: ParsedLine | Bad, raw: bytes) -> None:
        assert self._file is not None  # noqa: S101 - a look comes before a line
        key = (self._counted_at or FIRST, self._rank)
        entry = Entry(self.name, self._number, key, item, raw, self._end, *self._file, self._number)
        self.queue.append(entry)

    def _begin_again(self, event: str) -> None:
        log.error(event, log=self.name, line=self._number)
        for entry in self.queue:
            entry.end = entry.line = 0  # what they stood in is gone
        self.read = self.noted = self._end = self._number = self._cut = self._settled = 0
        self._partial = b""
        self._marks.clear()

    def _complain(self, reason: str) -> None:
        self.noted = self.read
        if reason != self._complaint:
            self._complaint = reason
            log.error("log_unreadable", log=self.name, reason=reason)
