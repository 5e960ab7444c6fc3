"""Whatever happens to the files of a log, each of its lines comes out, and none comes out twice."""

import os
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.identity import SURE
from edge.recent import LINES
from tests.edge.logs import READINGS, reading_text
from tests.edge.rotations import (
    LONG_S,
    Follower,
    compress,
    copy_back,
    copy_truncate,
    numbered,
    put,
    rename,
    says,
)

LATE_S = 9  # a rotated file may still be written to for so long; then its last line is done with


class History(RuleBasedStateMachine):
    """A writer, somebody who rotates, and a device that is switched off now and then.

    written: what the lines say that are done with. part, rest: of a line that is not, what stands
    in the file and what does not. old: the file before, as its writer still has it open, with the
    part of a line that it ends with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.aside = TemporaryDirectory()
        self.path = Path(self.aside.name) / READINGS
        self.follower = Follower(self.path.parent)
        self.written = Counter[object]()
        self.count = 0
        self.part = self.rest = self.old_part = b""
        self.old: IO[bytes] | None = None
        self.old_since_s = 0.0

    @initialize()
    def begin(self) -> None:
        self.write(1)
        self.follower.settle()

    @rule(count=st.integers(1, 9))
    def write(self, count: int) -> None:
        self.end_line()
        for _ in range(count):
            line = self.line()
            self.written[says(line[:-1])] += 1
            put(self.path, line)

    @rule(share=st.floats(0, 1))
    def write_a_part(self, share: float) -> None:
        self.end_line()
        line = self.line()
        cut = SURE + int((len(line) - 1 - SURE) * share)  # no two files begin with the same
        self.part, self.rest = line[:cut], line[cut:]
        put(self.path, self.part)

    @rule()
    def end_line(self) -> None:
        if self.part:
            put(self.path, self.rest)
            self.written[says((self.part + self.rest)[:-1])] += 1
            self.part = b""

    @rule(create=st.booleans(), held=st.booleans())
    def rotate(self, *, create: bool, held: bool) -> None:
        if self.path.exists():
            self.close_old()
            self.old, self.old_since_s = self.path.open("ab", buffering=0), self.follower.now_s
            self.old_part, self.part = self.part, b""
            rename(self.path)
            if not held:
                self.close_old()
            if create:
                self.path.touch()

    @precondition(lambda self: self.old is not None)
    @rule()
    def write_late(self) -> None:
        if self.old is None or self.follower.now_s - self.old_since_s > LATE_S:
            return
        line = self.line()
        self.old.write(line)
        self.written[says(self.old_part + line[:-1])] += 1
        self.old_part = b""

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, LONG_S]))
    def step(self, seconds: float) -> None:
        self.follower.step(seconds)

    @rule()
    def restart(self) -> None:
        self.follower.restart()

    @rule()
    def copy_and_truncate(self) -> None:
        self.follower.step(0.1)
        if self.path.exists() and self.path.stat().st_size >= SURE:
            self.close_old()
            self.close_part()
            copy_truncate(self.path)

    @rule()
    def remove(self) -> None:
        if self.path.exists():
            self.close_old()
            self.end_line()
            self.follower.settle(LONG_S)
            self.path.unlink()

    @rule(share=st.floats(0, 1))
    def lose_the_end(self, share: float) -> None:
        """Take away what was read already."""
        if self.path.exists():
            self.close_old()
            self.end_line()
            self.follower.settle(LONG_S)
            size = self.path.stat().st_size
            os.truncate(self.path, max(int(size * share), min(size, SURE)))
            self.follower.step()
            self.write(1)
            self.follower.settle()

    @rule(lost=st.integers(0, LINES), half=st.integers(0, 50), count=st.integers(0, 2))
    def cut_the_power(self, lost: int, half: int, count: int) -> None:
        """Take away the last lines, but for ``half`` of one; write before the edge is up."""
        if not self.path.exists():
            return
        self.close_old()
        self.write(1)  # its position names this file, not one of which this is a copy
        self.follower.settle(LONG_S)
        lines = self.path.read_bytes().splitlines(keepends=True)
        kept = b"".join(lines[: max(len(lines) - lost, 0)])
        size = min(self.path.stat().st_size, max(len(kept) + half, SURE))
        rest = self.path.read_bytes()[len(kept) : size]
        os.truncate(self.path, size)
        line = self.line()
        put(self.path, line)
        self.written[says((rest.rpartition(b"\n")[2] + line)[:-1])] += 1
        self.write(count)
        self.follower.restart()
        self.follower.settle()

    @rule(off=st.booleans())
    def put_a_copy_in_its_place(self, *, off: bool) -> None:
        if self.path.exists() and self.path.stat().st_size >= SURE:
            self.close_old()
            self.end_line()
            if not off:
                self.follower.step(0.1)
            copy_back(self.path)
            if off:
                self.follower.restart()

    @rule()  # without a precondition: what there is depends on which inodes are used anew
    def compress_before_it_is_read(self) -> None:
        if self.path.exists() and not numbered(self.path, 1).exists():
            self.close_old()
            self.end_line()
            rename(self.path)
            compress(numbered(self.path, 1))
            self.follower.restart()

    @rule()
    def compress_the_oldest(self) -> None:
        self.close_old()
        self.follower.settle(LONG_S)
        oldest = max((n for n in range(2, 60) if numbered(self.path, n).exists()), default=None)
        if oldest is not None and not self.follower.tail.unfinished:
            compress(numbered(self.path, oldest))

    @invariant()
    def nothing_comes_out_twice(self) -> None:
        assert {
            count for each, count in self.follower.said.items() if not isinstance(each, bytes)
        } <= {1}

    def teardown(self) -> None:
        self.close_old()
        self.write(1)
        for _ in range(3):
            self.follower.settle(LONG_S)
        self.aside.cleanup()

        assert self.follower.said == self.written

    def line(self) -> bytes:
        self.count += 1
        return reading_text(self.count % 50, self.count).encode()

    def close_part(self) -> None:
        if self.part:
            self.written[says(self.part)] += 1
            self.part = b""

    def close_old(self) -> None:
        if self.old is not None:
            self.old.close()
            self.old = None
        if self.old_part:
            self.written[says(self.old_part)] += 1
            self.old_part = b""


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
