"""One file of a log, held open: renamed or removed, it is still read to its end."""

import errno
import os
import stat
import weakref
from enum import Enum
from pathlib import Path

from edge.identity import HEAD, SURE, Identity, print_of
from edge.unpack import unpacked


class Change(Enum):
    """What happened to a file since it was last looked at.

    GROWN: nothing, or it has more. CUT: its end is gone. REWRITTEN: it holds something else.
    """

    GROWN = 0
    CUT = 1
    REWRITTEN = 2


class HeldFile:
    """A file and how far it is read. It is closed when nobody refers to it any more.

    size: at the last look. read: of how many bytes. end: of the last whole line that was read.
    number: of that line, from 1. partial: what was read after it, without ``cut`` more bytes.
    linked: whether it still has a name. older: the last files that had its log's name before it.
    torn: of the line that is read next, so many bytes may be what a power cut left of another.
    copy_of: the file before it that it repeats up to where it is read.
    """

    def __init__(self, path: Path, *, compressed: bool = False) -> None:
        """Open the file at ``path`` at its beginning; what is compressed is unpacked first.

        Raises:
            OSError: it cannot be opened, or is not a regular file.
            PackedError: it cannot be unpacked.
        """
        # A pipe in the place of a log would hold the whole device up.
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        closing = weakref.finalize(self, os.close, self._fd)
        found = os.fstat(self._fd)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        self.dev, self.inode = found.st_dev, found.st_ino
        if compressed:
            packed, self._fd = self._fd, unpacked(self._fd)
            closing.detach()
            os.close(packed)
            weakref.finalize(self, os.close, self._fd)
        self.linked = True
        self.head = self.read_at(HEAD, 0)
        self.print = print_of(self.head)
        self.size = os.fstat(self._fd).st_size
        self.older: tuple[Identity, ...] = ()
        self.copy_of: HeldFile | None = None
        self.start_at(0, 0)

    @property
    def identity(self) -> Identity:
        """Return how it is found again."""
        return Identity(self.inode, self.print)

    @property
    def unread(self) -> int:
        """Return how many bytes there were at the last look and are not read yet."""
        return max(self.size - self.read, 0)

    def read_at(self, count: int, offset: int) -> bytes:
        """Return up to ``count`` bytes from ``offset``; fewer where the file ends."""
        return os.pread(self._fd, count, offset)

    def start_at(self, offset: int, number: int) -> None:
        """Go on with the line after line ``number``, which begins at ``offset``."""
        self.read = self.end = offset
        self.number = number
        self.partial, self.cut = b"", 0
        self.torn = 0

    def go_on_from(self, other: "HeldFile") -> None:
        """Go on where ``other``, of which this is a copy, was read to."""
        self.read, self.end, self.number = other.read, other.end, other.number
        self.partial, self.cut = other.partial, other.cut

    def look(self) -> Change:
        """Note how long it is now; return what happened to it.

        What was REWRITTEN keeps its old print until ``begin_again``.
        """
        found, head = os.fstat(self._fd), self.read_at(HEAD, 0)
        self.size, self.linked = found.st_size, found.st_nlink > 0
        if head != self.head:
            shared = min(len(head), len(self.head))
            if head[:shared] != self.head[:shared] or shared < min(SURE, len(self.head)):
                return Change.REWRITTEN
            self._print(head)
        return Change.GROWN if self.size >= self.read else Change.CUT

    def begin_again(self) -> None:
        """Go on with its first line: it holds something else."""
        self.size = os.fstat(self._fd).st_size
        self._print(self.read_at(HEAD, 0))
        self.start_at(0, 0)

    def give_up_end(self) -> None:
        """Go on where it ends now; what was read beyond that is gone, its lines are out."""
        self.start_at(min(self.end, self.size), self.number)

    def repeats(self, other: "HeldFile") -> bool:
        """Return whether it begins with all that ``other`` holds, or ``other`` with all of it."""
        least = SURE if self.inode == other.inode or self.size >= other.size else HEAD
        both = min(len(self.head), len(other.head))
        if both < least or self.head[:both] != other.head[:both]:
            return False
        shared = min(self.size, other.size)
        at = max(shared - HEAD, 0)
        try:
            return self.read_at(shared - at, at) == other.read_at(shared - at, at)
        except OSError:
            return True  # the disk of ``other`` is gone; its beginning has to do

    def _print(self, head: bytes) -> None:
        self.head, self.print = head, print_of(head)
