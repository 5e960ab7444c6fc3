"""The files that a log was rotated to: ``NAME.1``, ``NAME-20260101``, the same with ``.gz``."""

import gzip
import os
import re
import zlib
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from edge.held_file import HeldFile
from edge.identity import HEAD, SURE, Identity, print_of

ROTATED = re.compile(r"[.-]([0-9][0-9T_:-]*)(\.gz)?")
OLDER = 3  # kept of what was before a file: a rotation removes the oldest first
LONGEST_COUNT = 4  # digits; what has more is a date
TRAILER = 4  # RFC 1952, 2.3.1: the last four bytes are the size before compression,
MODULUS = 2**32  # modulo this


class Sibling(NamedTuple):
    """A rotated file. age: sorts the older before the younger."""

    age: tuple[bool, int, str]
    path: Path
    inode: int
    compressed: bool

    def open(self) -> HeldFile:
        """Return it opened, and unpacked if it is compressed.

        Raises:
            OSError: it cannot be opened.
            PackedError: it cannot be unpacked.
        """
        return HeldFile(self.path, compressed=self.compressed)

    def head(self) -> bytes:
        """Return what it begins with, uncompressed; nothing when it cannot be read."""
        try:
            with gzip.open(self.path) if self.compressed else self.path.open("rb") as file:
                return file.read(HEAD)
        except (OSError, EOFError, zlib.error):
            return b""

    def size(self) -> int:
        """Return how long it is, uncompressed, modulo 2^32; -1 when it cannot be read."""
        try:
            with self.path.open("rb") as file:
                if not self.compressed:
                    return os.fstat(file.fileno()).st_size
                file.seek(-TRAILER, os.SEEK_END)
                return int.from_bytes(file.read(TRAILER), "little")
        except OSError:
            return -1

    def repeats(self, file: HeldFile) -> bool:
        """Return whether it is ``file``, or a copy that has no more."""
        if self.inode == file.inode:
            return True
        more = not self.compressed and self.size() > file.size  # what is compressed was whole
        return not more and self.is_one_of([file.identity])

    def is_one_of(self, known: list[Identity]) -> bool:
        """Return whether it is one of ``known``, or a copy of one."""
        head = self.head()
        if self.compressed:
            return any(each.print.copied(head, SURE) for each in known)
        return any(each.print.copied(head) or each.fits(self.inode, head) for each in known)


def siblings(log: Path) -> list[Sibling]:
    """Return the rotated files of ``log``, oldest first; none when their folder is missing.

    A link is followed: what lies beside its target counts.

    Raises:
        OSError: the folder cannot be read.
    """
    log = resolved(log)
    found = list[Sibling]()
    try:
        with os.scandir(log.parent) as entries:
            for entry in entries:
                rotated = _rotated(entry, log)
                if rotated is not None:
                    found.append(rotated)
    except (FileNotFoundError, NotADirectoryError):
        return []
    plain = {each.path.name for each in found if not each.compressed}
    # While a file is compressed both are there, and the plain one is whole.
    return sorted(each for each in found if not each.compressed or each.path.stem not in plain)


def identities(rotated: list[Sibling]) -> tuple[Identity, ...]:
    """Return the youngest of ``rotated`` that hold something, oldest first."""
    heads = ((each.inode, each.head()) for each in reversed(rotated))
    holding = (Identity(inode, print_of(head)) for inode, head in heads if head)
    return tuple(islice(holding, OLDER))[::-1]


def resolved(log: Path) -> Path:
    """Return what ``log`` is a link to, or itself; never raises, also not in a loop of links."""
    return Path(os.path.realpath(log))


def _rotated(entry: os.DirEntry[str], log: Path) -> Sibling | None:
    if not entry.name.startswith(log.name) or not entry.is_file(follow_symlinks=False):
        return None
    suffix = ROTATED.fullmatch(entry.name, len(log.name))
    if suffix is None:
        return None
    digits = "".join(filter(str.isdigit, suffix[1]))
    counted = len(digits) <= LONGEST_COUNT
    # A date is the greater the younger, a count the greater the older.
    age = (True, -int(digits), "") if counted else (False, 0, digits)
    return Sibling(age, log.parent / entry.name, entry.inode(), suffix[2] is not None)
