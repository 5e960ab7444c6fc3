"""The files that one log is read from, as its name moves from file to file.

    NAME.2 ──► NAME.1 ──► NAME        oldest first; each is read to its end before the next one
    former     files[0]   files[-1]

Rotated files that the edge never came to are older than what it knows, and stay unread.
"""

import stat
from collections import deque
from collections.abc import Callable
from errno import EINVAL
from itertools import chain
from pathlib import Path

import structlog

from edge.complaints import Complaints
from edge.held_file import Change, HeldFile
from edge.identity import SURE, Identity, Print
from edge.position import Position
from edge.resume import compressed, find, find_former
from edge.siblings import OLDER, Sibling, identities, resolved, siblings
from edge.unpack import PackedError

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
        self._quiet: tuple[object, float] = (None, 0.0)
        self._complaints = Complaints(path)
        self._now_s = 0.0

    @property
    def held(self) -> list[HeldFile]:
        """Return all open files in the order in which they are read."""
        return [*([self.former] if self.former else []), *self.files]

    @property
    def unread(self) -> int:
        """Return how many bytes there were at the last look and are not read yet."""
        return sum(file.unread for file in self.held)

    def file_of(self, inode: int, print_: Print) -> HeldFile | None:
        """Return the open file with ``inode`` and ``print_``, else a copy of it."""
        fitting = (file for file in self.held if file.inode == inode and print_.fits(file.head))
        copies = (file for file in self.held if print_.copied(file.head, SURE))
        return next(chain(fitting, copies), None)

    def look(self, now_s: float) -> None:
        """Note how long the files are now, and which have come."""
        self._now_s = now_s
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
        self._complaints.unreadable(error)

    def _named(self) -> tuple[int, int] | None:
        """Return device and inode of the file that has the name now."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        if not stat.S_ISREG(found.st_mode):
            raise OSError(EINVAL, "it is not a regular file", str(self._path))
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
            if sibling.inode in held or sibling.size() < file.read:
                continue
            if file.print.copied(sibling.head(), SURE):
                return self._open(sibling)
        return None

    def _open(self, sibling: Sibling) -> HeldFile | None:
        """Return ``sibling`` opened; None when it is given up, which is said.

        Raises:
            OSError: it cannot be read yet.
        """
        try:
            return sibling.open()
        except PackedError as error:
            reason = str(error)
        except OSError as error:
            if not self._complaints.too_long(self._now_s):
                raise
            reason = str(error.strerror)
        self._complaints.skipped(sibling, reason)
        return None

    def _start(self, named: tuple[int, int] | None) -> None:
        rotated, position = siblings(self._path), self._position
        if position is None:
            self._known = identities(rotated)
        elif (found := find(position, self._path, rotated, self._open)) is not None:
            self.files.append(found)
            self.former = find_former(position, rotated, found)
            self._known = ()
        elif named is not None or rotated:  # else its folder may not be mounted yet
            if compressed(position, rotated) is None:
                log.error("log_lost", log=self._path.name, line=position.line)
            if (former := find_former(position, rotated, None)) is not None:
                self.files.append(former)
            self._known = position.known or identities(rotated)

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
        opened = list[HeldFile]()
        first = self._first_new(rotated)
        for number, sibling in enumerate(rotated[first:], first):
            file = self._open(sibling)
            if file is not None:
                file.older = identities(rotated[:number])
                opened.append(file)
        if named is not None:
            held = next((file for file in self.held if _key(file) == named), None)
            file = held or HeldFile(self._path)
            file.older = identities(rotated)
            opened.append(file)
        return opened

    def _first_new(self, rotated: list[Sibling]) -> int:
        """Return the number of the first of ``rotated`` that came after all that is known."""
        self._complaints.keep(rotated)
        known = [*(self._known or ()), *(older for file in self.held for older in file.older)]
        for number in reversed(range(len(rotated))):
            sibling = rotated[number]
            if (
                sibling.inode in self._complaints.given_up
                or any(sibling.repeats(file) for file in self.held)
                or sibling.is_one_of(known)
            ):
                return number + (not self._replaced_by(sibling))
        return 0

    def _replaced_by(self, sibling: Sibling) -> bool:
        """Return whether ``sibling`` had taken the place of the newest file: who writes has it."""
        newest = self.files[-1] if self.files else None
        return (
            newest is not None
            and not newest.linked
            and not sibling.compressed
            and sibling.inode != newest.inode
            and sibling.repeats(newest)
        )

    def _append(self, files: list[HeldFile]) -> None:
        if files and self.files:
            log.info("log_rotated", log=self._path.name, files=len(files))
        if files:
            self._known = ()  # from here on each file says what was before it
            self._complaints.opened()
        for file in files:
            if file is self.former:
                self.former = None
            elif file in self.files:
                self.files.remove(file)
            else:  # of the last one that holds something: an empty one is nobody's copy
                filled = next((each for each in reversed(self.files) if each.size), None)
                if filled is not None and file.repeats(filled):
                    file.start_at(min(file.size, filled.size), 0)
                    file.copy_of = filled
            self.files.append(file)

    def _move_on(self) -> None:
        if self.former is not None:
            self._finish(self.former)
        self.former = done = self.files.popleft()
        self._take_over(self.files[0])
        if len(self.files) > 1:
            self._finish(done)  # its name moved twice: who had it open has the next one now

    @staticmethod
    def _take_over(file: HeldFile) -> None:
        """Let ``file`` go on where what it is a copy of was read to."""
        before, file.copy_of = file.copy_of, None
        if before is None:
            return
        file.number = before.number
        if file.read == before.read:
            file.go_on_from(before)
            before.start_at(before.read, before.number)

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


def _changed_at(log: Path) -> int | None:
    """Return when a name was last added to or removed from the folder of ``log``."""
    try:
        return resolved(log).parent.stat().st_mtime_ns
    except FileNotFoundError:
        return None
