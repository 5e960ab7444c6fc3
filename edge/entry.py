"""A line in its place among those of all logs, with where its log stands when it is spooled."""

from datetime import UTC, datetime

import msgspec

from edge.identity import Identity, Print
from edge.parse import Bad, ParsedLine
from edge.position import Place, Position
from edge.recent import Recent

FIRST = datetime(1, 1, 1, tzinfo=UTC)  # where a log begins with what is no line

Key = tuple[datetime, int]


class Origin(msgspec.Struct, frozen=True):
    """The file a line stood in, as a Position names it."""

    dev: int
    inode: int
    print: Print
    older: tuple[Identity, ...]


class Entry(msgspec.Struct):
    """A line in its place. raw: its bytes, kept only when it is Bad.

    key: the instant it counts at, and its rank. mark: of how many bytes of its log it is the last;
    what is noted to be longer than that holds it.
    origin, end, line, former, left: where its log stands when it is spooled, as in a Position.
    backlog: it stood there before the log was first opened. future: its time has not come yet.
    recent: the lines before ``end``, of the last line that is released at a time.
    """

    log: str
    number: int
    key: Key
    item: ParsedLine | Bad
    raw: bytes
    mark: int
    origin: Origin
    end: int
    line: int
    former: Place | None
    left: int
    backlog: bool
    future: bool
    recent: Recent | None = None

    @property
    def at(self) -> datetime:
        """Return the instant it counts at; FIRST when no line before it has one."""
        return self.key[0]

    @property
    def position(self) -> Position:
        """Return how far its log is spooled when it is."""
        counted_at = None if self.at == FIRST else self.at
        file = self.origin
        return Position(
            file.dev,
            file.inode,
            self.end,
            self.line,
            counted_at,
            file.print,
            file.older,
            self.former,
            self.left,
            self.recent,
        )
