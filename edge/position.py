"""How far a log was spooled: which file it had come to, and where in it. Stored as JSON."""

from datetime import datetime

import msgspec

from edge.identity import Identity, Print
from edge.recent import Recent


class Place(msgspec.Struct, frozen=True):
    """How far one file was read. offset: of the first byte that was not. line: the last number."""

    inode: int
    offset: int
    line: int
    print: Print


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a log was spooled.

    dev, inode: which file it was. offset: of the first byte not spooled, always a line's start.
    line: the number of the last line spooled. counted_at: the instant that line counts at.
    print: what that file begins with; None in what versions before 0.2 stored.
    older: the last files that had the log's name before it, oldest first.
    former: the last of them, while whoever has it open may still add to it.
    backlog: how many bytes after it stood there before the log was first opened.
    recent: the last lines before ``offset``; None when they are not known.
    """

    dev: int
    inode: int
    offset: int
    line: int
    counted_at: datetime | None
    print: Print | None = None
    older: tuple[Identity, ...] = ()
    former: Place | None = None
    backlog: int = 0
    recent: Recent | None = None

    @property
    def known(self) -> tuple[Identity, ...]:
        """Return the files up to and including its own, oldest first; none without a print."""
        return () if self.print is None else (*self.older, Identity(self.inode, self.print))
