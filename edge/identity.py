"""Which file a log was: its inode, and a print of what it begins with.

A name moves from file to file and an inode number is used again; what a file begins with stays, as
long as lines are only added to it.
"""

from hashlib import blake2b

import msgspec

HEAD = 256  # bytes of which a print is taken
SURE = 32  # as many as a time with microseconds and an offset has: no two files share them


class Print(msgspec.Struct, frozen=True, array_like=True):
    """What a file begins with.

    size: how many bytes were taken, at most HEAD. digest: of them. start: of the first SURE of
    them, empty when there were fewer. Both are BLAKE2b in hex.
    """

    size: int
    digest: str
    start: str

    def fits(self, head: bytes) -> bool:
        """Return whether the file that begins with ``head`` can be the one that was printed.

        It may be longer than then. It may be shorter when enough is left to tell: after a power
        cut the end of a file can be missing.
        """
        if len(head) >= self.size:
            return _digest(head[: self.size]) == self.digest
        return len(head) >= SURE and _digest(head[:SURE]) == self.start

    def copied(self, head: bytes, least: int = HEAD) -> bool:
        """Return whether ``head`` repeats all of the print, of ``least`` bytes or more.

        It may be less, down to SURE, when there is nothing else in ``head``.
        """
        whole = SURE <= self.size == len(head)
        return (whole or least <= self.size <= len(head)) and self.fits(head)


class Identity(msgspec.Struct, frozen=True, array_like=True):
    """One file among those that had its name or will have it."""

    inode: int
    print: Print

    def fits(self, inode: int, head: bytes) -> bool:
        """Return whether the file with ``inode`` that begins with ``head`` is this one.

        Too little to tell files apart by has to be the same to the last byte.
        """
        short = self.print.size < SURE and len(head) != self.print.size
        return inode == self.inode and not short and self.print.fits(head)


def print_of(head: bytes) -> Print:
    """Return the print of a file that begins with ``head``."""
    head = head[:HEAD]
    start = _digest(head[:SURE]) if len(head) >= SURE else ""
    return Print(len(head), _digest(head), start)


def _digest(taken: bytes) -> str:
    return blake2b(taken, digest_size=8).hexdigest()
