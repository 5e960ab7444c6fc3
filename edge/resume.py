"""Where a stored position is found again, whatever became of the names since."""

from pathlib import Path

import structlog

from edge.held_file import HeldFile
from edge.identity import SURE
from edge.parse import LONGEST_LINE
from edge.position import Position
from edge.siblings import Sibling

log = structlog.get_logger()


def find(position: Position, path: Path, rotated: list[Sibling]) -> HeldFile | None:
    """Return the file of ``position``, else a copy of it; None when there is neither.

    path: of the log. rotated: its rotated files.

    Raises:
        OSError: it is there and cannot be read; try again later.
    """
    file = _by_inode(position, path, rotated) or _by_print(position, path, rotated)
    if file is None:
        return None
    offset = _line_start(file, position.offset)
    if offset < position.offset:  # a power cut takes what was not on the disk yet
        log.error("log_shortened", log=path.name, line=position.line)
    file.start_at(offset, position.line)
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


def _line_start(file: HeldFile, offset: int) -> int:
    """Return ``offset`` or, if no line starts there any more, where new ones surely do.

    A file that lost its end and grew again has another line there: that one is new.
    """
    if offset >= file.size:
        return file.size
    before = file.read_at(min(offset, LONGEST_LINE), max(offset - LONGEST_LINE, 0))
    return offset - len(before) + before.rfind(b"\n") + 1


def _by_inode(position: Position, path: Path, rotated: list[Sibling]) -> HeldFile | None:
    # The device number is no part of the question: it may differ after a reboot.
    plain = [sibling for sibling in reversed(rotated) if not sibling.compressed]
    inodes = [(sibling.path, sibling.inode) for sibling in plain]
    if path.is_file():
        inodes.insert(0, (path, path.stat().st_ino))
    for candidate, inode in inodes:
        if inode == position.inode:
            file = HeldFile(candidate)
            if position.print is None and file.size >= position.offset:
                return file
            if position.print is not None and position.print.fits(file.head):
                return file
    return None


def _by_print(position: Position, path: Path, rotated: list[Sibling]) -> HeldFile | None:
    if position.print is None:
        return None
    if path.is_file() and position.print.copied((file := HeldFile(path)).head):
        return file
    for sibling in reversed(rotated):
        whole = not sibling.compressed and sibling.size() >= position.offset
        if whole and position.print.copied(sibling.head(), SURE):
            return HeldFile(sibling.path)
    return None
