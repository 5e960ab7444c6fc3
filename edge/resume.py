"""Where a stored position is found again, whatever became of the names since."""

from collections.abc import Callable
from pathlib import Path

import structlog

from edge.held_file import HeldFile
from edge.identity import HEAD, SURE
from edge.parse import LONGEST_LINE
from edge.position import Position
from edge.siblings import MODULUS, Sibling

Opened = Callable[[Sibling], HeldFile | None]

log = structlog.get_logger()


def find(position: Position, path: Path, rotated: list[Sibling], opened: Opened) -> HeldFile | None:
    """Return the file of ``position``, else a copy of it; None when there is neither.

    path: of the log. rotated: its rotated files. opened: opens one of them, or gives it up.

    Raises:
        OSError: it is there and cannot be read; try again later.
    """
    file = _by_inode(position, path, rotated, opened) or _by_print(position, path, rotated, opened)
    if file is None:
        return None
    offset, line = _left(file, position)
    if offset < position.offset:  # a power cut takes what was not on the disk yet
        log.error("log_shortened", log=path.name, line=position.line)
        nuls, torn = _remains(file, offset)
        file.start_at(offset + nuls, line)
        file.torn = torn
    else:
        file.start_at(offset, line)
    file.older = position.older
    return file


def find_former(
    position: Position, rotated: list[Sibling], file: HeldFile | None
) -> HeldFile | None:
    """Return the file before that of ``position``, as far as it was read.

    file: that of ``position``, if it is there.
    """
    place = position.former
    if place is None:
        return None
    if not place.print.size:  # it was empty: only where it stands can tell it from others
        inodes = [sibling.inode for sibling in rotated]
        number = inodes.index(file.inode) if file and file.inode in inodes else len(rotated)
        rotated = rotated[max(number - 1, 0) : number] if file else []
    for sibling in rotated:
        same = sibling.inode == place.inode and not sibling.compressed
        if same and place.print.fits(sibling.head()):
            former = HeldFile(sibling.path)
            former.start_at(min(place.offset, former.size), place.line)
            return former
    return None


def compressed(position: Position, rotated: list[Sibling]) -> Sibling | None:
    """Return what the file of ``position`` was compressed to."""
    for sibling in rotated:
        if sibling.compressed and position.print and position.print.copied(sibling.head(), SURE):
            return sibling
    return None


def _left(file: HeldFile, position: Position) -> tuple[int, int]:
    """Return where the last spooled line that ``file`` still holds ends, and its number.

    What comes after it is new: the firmware writes before the edge is up.
    """
    recent = position.recent
    if recent is not None:
        same, end = recent.kept(file, position.offset)
        if same or recent.since == 0:
            return end, max(position.line - len(recent) + same, 0)
    return _line_start(file, position.offset), position.line


def _remains(file: HeldFile, offset: int) -> tuple[int, int]:
    """Return how many NUL bytes a power cut left at ``offset``, in the place of lines.

    And how many bytes of a line without an end follow: the torn half of one, or a new one begins.
    """
    found = file.read_at(LONGEST_LINE, offset)
    rest = found.lstrip(b"\0")
    return len(found) - len(rest), 0 if b"\n" in rest else len(rest)


def _line_start(file: HeldFile, offset: int) -> int:
    """Return ``offset`` or, if no line starts there any more, where new ones surely do.

    A file that lost its end and grew again has another line there: that one is new.
    """
    if offset >= file.size:
        return file.size
    before = file.read_at(min(offset, LONGEST_LINE), max(offset - LONGEST_LINE, 0))
    return offset - len(before) + before.rfind(b"\n") + 1


def _by_inode(
    position: Position, path: Path, rotated: list[Sibling], opened: Opened
) -> HeldFile | None:
    # The device number is no part of the question: it may differ after a reboot.
    if path.is_file() and path.stat().st_ino == position.inode:
        file = HeldFile(path)
        if _is_that_of(position, file):
            return file
    for sibling in reversed(rotated):
        if sibling.inode == position.inode and not sibling.compressed:
            found = opened(sibling)
            if found is not None and _is_that_of(position, found):
                return found
    return None


def _is_that_of(position: Position, file: HeldFile) -> bool:
    if position.print is None:
        return file.size >= position.offset
    # Of a short file a power cut takes what the print was taken of.
    recent = position.recent
    short = recent is not None and recent.since == 0 and recent.kept(file, position.offset)[0] > 0
    return short or position.print.fits(file.head)


def _by_print(
    position: Position, path: Path, rotated: list[Sibling], opened: Opened
) -> HeldFile | None:
    if position.print is None:
        return None
    if path.is_file() and _is_copy(position, file := HeldFile(path)):
        return file
    for sibling in reversed(rotated):
        whole = not sibling.compressed and sibling.size() >= position.offset
        if whole and position.print.copied(sibling.head(), SURE):
            return opened(sibling)
    packed = compressed(position, rotated)
    read = packed is None or packed.size() == position.offset % MODULUS
    return None if packed is None or read else opened(packed)


def _is_copy(position: Position, file: HeldFile) -> bool:
    """Return whether ``file`` repeats the file of ``position``: what it begins with tells.

    If that was little, all lines that are known have to be the same.
    """
    recent, offset = position.recent, position.offset
    same = recent is not None and recent.kept(file, offset) == (len(recent), offset)
    return position.print is not None and position.print.copied(file.head, SURE if same else HEAD)
