"""The files that one log is read from, as its name moves from file to file.

    NAME.2 ──► NAME.1 ──► NAME        oldest first; each is read to its end before the next one
    former     files[0]   files[-1]

Rotated files that the edge never came to are older than what it knows, and stay unread.
"""

import stat
from collections import deque
from collections.abc import Callable
from errno import EINVAL
from itertools import islice
from pathlib import Path

import structlog

from edge.held_file import Change, HeldFile
from edge.identity import SURE, Identity, print_of
from edge.position import Position
from edge.resume import compressed, find, find_former
from edge.siblings import MODULUS, Sibling, resolved, siblings

OLDER = 3  # kept of what was before a file: a rotation removes the oldest first
QUIET_S = 10.0  # after that nobody finishes the last line of a rotated file
SCANS = 8  # of an unchanged folder: file systems keep its time in steps of 10 ms

Reaction = Callable[[HeldFile], None]

log = structlog.get_logger()


class Chain:
    """The files of the log at ``path`` that are not read to their end, from ``position`` on.

    files: the last has the log's name, or had it last. former: the file before the first one; it
    is read to its end, and whoever has it open may still add to it.
    finish: is called with a file whose partial line will never have an end.
    cut: is called with a file whose end is gone.
    """

    def __init__(
        self, path: Path, position: Position | None, finish: Reaction, cut: Reaction
    ) -> None:
        self.files = deque[HeldFile]()
        self.former: HeldFile | None = None
        self._path = path
        self._position = position
        self._finish = finish
        self._cut = cut
        self._known: tuple[Identity, ...] | None = None  # not looked at yet
        self._scanned: tuple[object, int] = (None, 0)
        self._skipped = set[str]()
        self._quiet: tuple[object, float] = (None, 0.0)
        self._complaint = ""

    @property
    def held(self) -> list[HeldFile]:
        """Return all open files in the order in which they are read."""
        return [*([self.former] if self.former else []), *self.files]

    @property
    def unread(self) -> int:
        """Return how many bytes there were at the last look and are not read yet."""
        return sum(file.unread for file in self.held)

    def look(self, now_s: float) -> None:
        """Note how long the files are now, and which have come."""
        for file in self.held:
            try:
                self._look_at(file)
            except OSError as error:
                file.size = file.read
                self.complain(error)
        try:
            named = self._named()
            if self._known is None:
                self._start(named)
            if self._known is not None and not (self.files and _key(self.files[-1]) == named):
                self._extend(named)
        except OSError as error:
            self.complain(error)
        self._let_go(now_s)

    def next(self) -> HeldFile | None:
        """Return the file to read on; None when there is nothing more to read."""
        if self.former is not None and self.former.unread:
            return self.former
        while self.files and not self.files[0].unread:
            if len(self.files) == 1:
                return None
            self._move_on()
        return self.files[0] if self.files else None

    def complain(self, error: OSError) -> None:
        """Say that the log cannot be read; once for each reason until a file is opened."""
        reason = str(error.strerror)
        if reason != self._complaint:
            self._complaint = reason
            log.error("log_unreadable", log=self._path.name, reason=reason)

    def _named(self) -> tuple[int, int] | None:
        """Return device and inode of the file that has the name now."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):
            raise OSError(EINVAL, "it is not a regular file")
        return found.st_dev, found.st_ino

    def _look_at(self, file: HeldFile) -> None:
        unread = file.unread
        match file.look():
            case Change.CUT:
                log.error("log_shortened", log=self._path.name, line=file.number)
                file.give_up_end()
                self._cut(file)
            case Change.REWRITTEN:
                self._rewritten(file, unread)
            case Change.GROWN:
                pass

    def _rewritten(self, file: HeldFile, unread: int) -> None:
        copy = self._copy(file) if file in self.files else None
        if copy is not None:
            log.info("log_copied", log=self._path.name, line=file.number)
            copy.go_on_from(file)
            copy.older = file.older
            file.older = (*file.older, copy.identity)[-OLDER:]
            self.files.insert(self.files.index(file), copy)
        else:
            say = log.error if unread else log.warning
            say("log_rewritten", log=self._path.name, line=file.number, unread=unread)
            self._finish(file)
        file.begin_again()

    def _copy(self, file: HeldFile) -> HeldFile | None:
        """Return the copy that was made of ``file`` before it was emptied."""
        held = {each.inode for each in self.held}
        for sibling in reversed(siblings(self._path)):
            if sibling.compressed or sibling.inode in held or sibling.size() < file.read:
                continue
            if file.print.copied(sibling.head(), SURE):
                return HeldFile(sibling.path)
        return None

    def _start(self, named: tuple[int, int] | None) -> None:
        rotated, position = siblings(self._path), self._position
        if position is None:
            self._known = _identities(rotated)
        elif (found := find(position, self._path, rotated)) is not None:
            self.files.append(found)
            self.former = find_former(position, rotated, found)
            self._known = ()
        elif named is not None or rotated:  # else its folder may not be mounted yet
            self._lost(position, rotated)
            if (former := find_former(position, rotated, None)) is not None:
                self.files.append(former)
            self._known = _identities(rotated) if position.print is None else _before(position)

    def _lost(self, position: Position, rotated: list[Sibling]) -> None:
        copy = compressed(position, rotated)
        if copy is None:
            log.error("log_lost", log=self._path.name, line=position.line)
        elif copy.size() != position.offset % MODULUS:
            self._skip(copy)

    def _extend(self, named: tuple[int, int] | None) -> None:
        """Add the files that had the name since, and the one that has it now."""
        state = (named, _changed_at(self._path))
        before, scans = self._scanned
        if state == before and scans >= SCANS:
            return
        rotated = siblings(self._path)
        files = self._opened(rotated, named)
        # While names move from file to file a file can be missed: that is seen by looking again.
        if siblings(self._path) == rotated and named == self._named():
            self._append(files)
            self._scanned = (state, scans + 1 if state == before else 1)

    def _opened(self, rotated: list[Sibling], named: tuple[int, int] | None) -> list[HeldFile]:
        inodes = {file.inode for file in self.held}
        known = [*(self._known or ()), *(file.identity for file in self.held)]
        known += [identity for file in self.held for identity in file.older]
        last = -1
        for number, sibling in enumerate(rotated):
            if sibling.inode in inodes or sibling.is_one_of(known):
                last = number
        opened = list[HeldFile]()
        for number, sibling in enumerate(rotated[last + 1 :], last + 1):
            if sibling.compressed:
                self._skip(sibling)
                continue
            file = HeldFile(sibling.path)
            file.older = _identities(rotated[:number])
            opened.append(file)
        if named is not None:
            held = next((file for file in self.held if _key(file) == named), None)
            file = held or HeldFile(self._path)
            file.older = _identities(rotated)
            opened.append(file)
        return opened

    def _append(self, files: list[HeldFile]) -> None:
        if files and self.files:
            log.info("log_rotated", log=self._path.name, files=len(files))
        if files:
            self._known = ()  # from here on each file says what was before it
            self._skipped.clear()
            self._complaint = ""
        for file in files:
            if file is self.former:
                self.former = None
            elif file in self.files:
                self.files.remove(file)
            elif self.files and file.repeats(self.files[-1]):
                file.start_at(min(file.size, self.files[-1].size), 0)
                file.repeating = True
            self.files.append(file)

    def _skip(self, sibling: Sibling) -> None:
        if sibling.path.name not in self._skipped:
            self._skipped.add(sibling.path.name)
            reason = "it is compressed"
            log.error("log_skipped", log=self._path.name, file=sibling.path.name, reason=reason)

    def _move_on(self) -> None:
        if self.former is not None:
            self._finish(self.former)
        self.former = done = self.files.popleft()
        if self.files[0].repeating:
            self._take_over(done)
        if len(self.files) > 1:
            self._finish(done)  # its name moved twice: who had it open has the next one now

    def _take_over(self, done: HeldFile) -> None:
        file = self.files[0]
        file.number, file.repeating = done.number, False
        if file.read == done.read:
            file.go_on_from(done)
            done.start_at(done.read, done.number)

    def _let_go(self, now_s: float) -> None:
        """Give the former file up once nobody adds to it."""
        former = self.former
        if former is None:
            return
        state = (_key(former), former.size, bool(self.files[0].size))
        if state != self._quiet[0]:
            self._quiet = (state, now_s)
        elif now_s - self._quiet[1] >= QUIET_S and self.files[0].size and not former.unread:
            self._finish(former)
            if not former.linked:
                self.former = None


def _key(file: HeldFile) -> tuple[int, int]:
    return file.dev, file.inode


def _identities(rotated: list[Sibling]) -> tuple[Identity, ...]:
    """Return the youngest of ``rotated`` that hold something, oldest first."""
    heads = ((each.inode, each.head()) for each in reversed(rotated))
    holding = (Identity(inode, print_of(head)) for inode, head in heads if head)
    return tuple(islice(holding, OLDER))[::-1]


def _before(position: Position) -> tuple[Identity, ...]:
    """Return the files up to and including that of ``position``."""
    return (
        *position.older,
        *([Identity(position.inode, position.print)] if position.print else []),
    )


def _changed_at(log: Path) -> int | None:
    """Return when a name was last added to or removed from the folder of ``log``."""
    try:
        return resolved(log).parent.stat().st_mtime_ns
    except FileNotFoundError:
        return None
