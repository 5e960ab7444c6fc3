"""What the last spooled lines of a log were: by that it is found out what a power cut took.

A position is on the disk before the bytes of its log are. After a cut the end of the log may be
missing, and what was written since stands in its place.
"""

from struct import pack
from zlib import crc32

import msgspec

from edge.held_file import HeldFile

LINES = 64  # a log gets a line a second at most, and is on the disk within half a minute
SPAN = 8_192  # bytes in which they are; of longer ones there are fewer
WIDTH = 4  # bytes of a digest


class Recent(msgspec.Struct, frozen=True, array_like=True):
    """The last lines before an offset. since: where the first begins. digests: their CRC-32s."""

    since: int
    digests: bytes

    def __len__(self) -> int:
        """Return how many lines there were."""
        return len(self.digests) // WIDTH

    def kept(self, file: HeldFile, offset: int) -> tuple[int, int]:
        """Return how many of the lines ``file`` still holds, and where the last of those ends.

        offset: where they ended.
        """
        data = file.read_at(offset - self.since, self.since)
        same, end = 0, 0
        for line in data.split(b"\n")[: len(self)]:
            if _digests([line]) != self.digests[same * WIDTH :][:WIDTH]:
                break
            same, end = same + 1, end + len(line) + 1
        return same, self.since + min(end, len(data))


def recent(file: HeldFile, offset: int) -> Recent | None:
    """Return the lines of ``file`` that end at ``offset``; None when there are none to go by."""
    begin = max(offset - SPAN, 0)
    data = file.read_at(offset - begin, begin)
    if len(data) < offset - begin:
        return None  # its end is gone
    *lines, rest = data.rsplit(b"\n", LINES + 1)
    if rest:
        lines.append(rest)
    if begin or len(lines) > LINES:
        del lines[:1]  # what stands before the others
    if not lines:
        return None
    length = sum(map(len, lines)) + len(lines) - bool(rest)
    return Recent(offset - length, _digests(lines))


def _digests(lines: list[bytes]) -> bytes:
    return pack(f">{len(lines)}I", *map(crc32, lines))
