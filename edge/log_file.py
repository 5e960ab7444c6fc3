"""One growing log: from the bytes of its files to a bounded queue of parsed lines."""

from collections import deque
from datetime import datetime, tzinfo
from itertools import takewhile
from pathlib import Path

from edge.chain import Chain
from edge.clock import set_by
from edge.entry import FIRST, Entry, Key, Origin
from edge.held_file import HeldFile
from edge.merge import AHEAD
from edge.parse import KEPT, LOGS, LONGEST_LINE, TOLD, Bad, ParsedLine, parsed
from edge.position import Place, Position
from edge.recent import recent

__all__ = ["FIRST", "Entry", "Key", "LogFile", "Place", "Position"]

CHUNK = 32_768
QUEUE = 200


class LogFile:
    """Reads one log on from ``position``; a log that does not exist yet is empty."""

    def __init__(self, path: Path, position: Position | None, zone: tzinfo) -> None:
        self.name = path.name
        self.queue: deque[Entry] = deque()
        self.behind = False
        self._chain = Chain(path, position, self._finish, self._cut)
        self._zone = zone
        self._counted_at = position.counted_at if position else None
        self._before = self._counted_at  # what the lines before the last one counted at
        self._rank = tuple(LOGS).index(path.name)
        self._begun = position.offset if position else 0
        self._passed = 0
        self._marks: deque[tuple[float, int]] = deque()
        self._settled = 0
        self._fresh = position is None
        self._backlog_to = position.backlog if position else 0
        self._latest: datetime | None = None
        self._history = False
        self._at: HeldFile
        self._origin: Origin
        self._former: Place | None

    @property
    def read(self) -> int:
        """Return how many bytes were read."""
        return self._begun + self._passed

    @property
    def noted(self) -> int:
        """Return how many bytes there were at the last look."""
        return self.read + self._chain.unread

    @property
    def unfinished(self) -> int:
        """Return how many bytes of lines without an end were read."""
        return sum(file.read - file.end for file in self._chain.held)

    @property
    def settling_from_s(self) -> float | None:
        """Return the look since which the longest waiting bytes wait; None when none do."""
        return self._marks[0][0] if self._marks else None

    def look(self, now_s: float) -> None:
        """Note how long its files are now; ``behind`` says whether some of that is not read."""
        self._chain.look(now_s)
        unread = self._chain.unread
        self.behind, noted = unread > 0, self._passed + unread
        if self._fresh:
            self._fresh, self._backlog_to = False, noted
        self._settled = min(self._settled, noted)
        while self._marks and self._marks[-1][1] > noted:
            self._marks.pop()  # what was noted then is gone
        if noted > (self._marks[-1][1] if self._marks else self._settled):
            self._marks.append((now_s, noted))

    def fill(self, latest: datetime | None = None, *, history: bool = False) -> None:
        """Read on while the queue has room, no further than was noted.

        latest: a line far later than that counts there. None: there is no clock.
        history: a line far later than the one after it counts with that, as ``edge.merge`` has it.
        """
        self._latest, self._history = latest, history
        while len(self.queue) < QUEUE and (file := self._chain.next()) is not None:
            try:
                self._read_on(file)
            except OSError as error:
                self._chain.complain(error)
                file.size = file.read
        self.behind = self._chain.unread > 0

    def clock_set(self, was: datetime, is_: datetime, since: datetime) -> None:
        """Let what was read count as of the right time, once the clock is set."""
        if self._counted_at is not None:
            self._counted_at = set_by(self._counted_at, was, is_, since)
        before = FIRST
        for entry in self.queue:
            if entry.at != FIRST:
                before = max(before, set_by(entry.at, was, is_, since))
                entry.key = (before, self._rank)

    @property
    def sure(self) -> Key:
        """Return up to which place no line that is not read yet can change the order.

        That may be before the last line read: the one after it says whether its time is right.
        """
        first = self._before or FIRST
        alone = self.queue[0].at > first  # there is no room for the line after it
        return self.queue[-1].key if alone else (first, self._rank)

    def finish(self) -> None:
        """Take what has no end in a rotated file for a line, without waiting for the rest."""
        if self._chain.former is not None and not self.behind:
            self._finish(self._chain.former)

    def due(self, by_s: float) -> Key | None:
        """Return the place of the last queued line that was noted at ``by_s`` or before."""
        while self._marks and self._marks[0][0] <= by_s:
            self._settled = self._marks.popleft()[1]
        for entry in reversed(self.queue):
            if entry.mark <= self._settled or entry.at == FIRST:
                return entry.key
        return None

    def remember(self, entry: Entry) -> None:
        """Note in ``entry``, which is about to be spooled, what the lines before it are."""
        file = self._chain.file_of(entry.origin.inode, entry.origin.print)
        if file is not None:
            try:
                entry.recent = recent(file, entry.end)
            except OSError as error:
                self._chain.complain(error)

    def _read_on(self, file: HeldFile) -> None:
        self._stand()
        while file.unread and len(self.queue) < QUEUE:
            chunk = file.read_at(min(CHUNK, file.unread), file.read)
            if not chunk:
                file.size = file.read  # it was shortened since the look
                return
            file.read += len(chunk)
            self._passed += len(chunk)
            self._take(file, chunk)

    def _take(self, file: HeldFile, chunk: bytes) -> None:
        ahead = self._passed - file.read
        *whole, rest = chunk.split(b"\n")
        for raw in whole:
            self._line(file, file.partial + raw if file.partial else raw, ahead)
            file.partial, file.cut = b"", 0
        file.partial += rest
        if len(file.partial) > KEPT:
            file.cut += len(file.partial) - KEPT
            file.partial = file.partial[:KEPT]

    def _line(self, file: HeldFile, raw: bytes, ahead: int, line_end: int = 1) -> None:
        length = len(raw) + file.cut
        file.end += length + line_end
        file.number += 1
        found = self._parsed(file, raw)
        future = any(self._count(item.at) for item, _ in found if not isinstance(item, Bad))
        # What stands in one line counts at one instant: its position is stored with all of it.
        for item, part in found:
            if not isinstance(item, Bad):
                self._queue(file, item, b"", file.end + ahead, future=future)
            elif length > LONGEST_LINE and (file.cut or len(part) > TOLD):
                bad = Bad(f"the line is {length:,} bytes long; the first {TOLD:,} are kept")
                self._queue(file, bad, part[:TOLD], file.end + ahead, future=False)
            else:
                self._queue(file, item, part, file.end + ahead, future=False)

    def _parsed(self, file: HeldFile, raw: bytes) -> list[tuple[ParsedLine | Bad, bytes]]:
        """Return what stands in the line ``raw``, and which part of it says so."""
        found, torn = parsed(self.name, file.number, raw, self._zone), file.torn
        file.torn = 0
        if not torn or len(found) != 1 or not isinstance(found[0][0], Bad):
            return found
        rest = parsed(self.name, file.number, raw[torn:], self._zone)
        if rest and not isinstance(rest[-1][0], Bad):  # what was torn is no part of it
            return [(found[0][0], raw[:torn]), *rest]
        return found

    def _count(self, own: datetime) -> bool:
        """Let the log come to a line of the time ``own``; return whether that has not come yet."""
        at, last = self._in_time(own), self._counted_at
        if self._history and last is not None and last > own + AHEAD:
            last = self._corrected(own)
        self._before = last
        self._counted_at = at if last is None else max(at, self._in_time(last))
        return at != own

    def _corrected(self, following: datetime) -> datetime:
        """Return what the last line counts at, as one far ahead of the line after it."""
        at = following if self._before is None else max(self._before, following)
        for entry in takewhile(lambda entry: entry.at > at, reversed(self.queue)):
            entry.key = (at, self._rank)
        return at

    def _in_time(self, at: datetime) -> datetime:
        """Return ``at``, or the clock's time if it is too far ahead of that to be right."""
        latest = self._latest
        return at if latest is None or at <= latest + AHEAD else latest

    def _queue(
        self, file: HeldFile, item: ParsedLine | Bad, raw: bytes, mark: int, *, future: bool
    ) -> None:
        key = (self._counted_at or FIRST, self._rank)
        at = self._at
        former = self._former if file is at else _place(file)
        self.queue.append(
            Entry(
                self.name,
                file.number,
                key,
                item,
                raw,
                mark,
                self._origin,
                at.end,
                at.number,
                former,
                max(0, self._backlog_to - mark),
                mark <= self._backlog_to,
                future,
            )
        )

    def _stand(self) -> None:
        """Note where the log stands now, for the lines that are queued next."""
        first, former = self._chain.files[0], self._chain.former
        if former is not None and not first.head:
            first, former = former, None  # what is empty has nothing to be found again by
        self._at = first
        self._origin = _origin(first)
        self._former = None if former is None else _place(former)

    def _finish(self, file: HeldFile) -> None:
        if file.read > file.end:
            self._stand()
            self._line(file, file.partial, self._passed - file.read, line_end=0)
            file.partial, file.cut = b"", 0

    def _cut(self, file: HeldFile) -> None:
        origin = _origin(file)
        for entry in self.queue:
            if entry.origin.inode == file.inode:
                entry.origin, entry.end = origin, min(entry.end, file.end)


def _origin(file: HeldFile) -> Origin:
    return Origin(file.dev, file.inode, file.print, file.older)


def _place(file: HeldFile) -> Place:
    return Place(file.inode, file.end, file.number, file.print)
