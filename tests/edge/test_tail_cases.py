"""The tail's matrix: every case by name, and what becomes of every line.

A case does to a log what happens to logs, and returns the lines that were written; as many, and the
same, come out of the tail. Where that cannot be, the name says so.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from edge.parse import KEPT, LONGEST_LINE, TOLD
from tests.edge.logs import reading_text
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

Case = Callable[[Follower, Iterator[bytes]], list[bytes]]
CASES: dict[str, Case] = {}


def case(make: Case) -> Case:
    CASES[make.__name__.replace("_", " ")] = make
    return make


def some(lines: Iterator[bytes], many: int = 3) -> list[bytes]:
    return [next(lines) for _ in range(many)]


def write(path: Path, lines: list[bytes]) -> list[bytes]:
    put(path, b"".join(lines))
    return lines


@case
def renamed_and_a_new_one_appears(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.step()
    written += write(tail.path, some(lines))  # not read when it is renamed
    rename(tail.path)
    return written + write(tail.path, some(lines))


@case
def written_to_after_it_was_renamed(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.step()
    with tail.path.open("ab", buffering=0) as held:
        rename(tail.path)
        tail.step()
        written += write(tail.path, some(lines, 1))
        late = some(lines, 2)
        held.write(b"".join(late))
    return written + late


@case
def renamed_several_times_between_two_looks(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.step()
    for _ in range(3):
        written += write(tail.path, some(lines))
        rename(tail.path)
    return written + write(tail.path, some(lines))


@case
def renamed_several_times_while_down(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.settle()
    for _ in range(3):
        written += write(tail.path, some(lines))
        rename(tail.path)
    written += write(tail.path, some(lines))
    tail.restart()
    return written


@case
def renamed_by_date_while_down(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.settle()
    for day in ("20260101", "20260102"):
        written += write(tail.path, some(lines))
        tail.path.rename(tail.path.with_name(f"{tail.path.name}-{day}"))
    written += write(tail.path, some(lines))
    tail.restart()
    return written


@case
def copied_and_truncated(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.step()
    copy_truncate(tail.path)
    return written + write(tail.path, some(lines))


@case
def copied_and_truncated_with_lines_that_were_not_read(
    tail: Follower, lines: Iterator[bytes]
) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.step()
    written += write(tail.path, some(lines))
    copy_truncate(tail.path)
    return written + write(tail.path, some(lines))


@case
def truncated_without_a_copy_loses_what_was_not_read(
    tail: Follower, lines: Iterator[bytes]
) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.step()
    put(tail.path, next(lines))  # nobody has it any more
    tail.path.write_bytes(b"")
    tail.step()
    return written + write(tail.path, some(lines))


@case
def truncated_and_longer_again_while_down(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines, 2))
    tail.settle()
    new = some(lines, 9)
    tail.path.write_bytes(b"".join(new))
    tail.restart()
    return written + new


@case
def replaced_by_another_of_the_same_length(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.step()
    new = some(lines)
    tail.path.write_bytes(b"".join(new))
    return written + new


@case
def replaced_while_down_by_another_inode(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.settle()
    new = some(lines)
    other = tail.path.with_name("new")
    other.write_bytes(b"".join(new))
    other.replace(tail.path)
    tail.restart()
    return written + new


@case
def the_same_inode_with_other_lines(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.settle()
    inode = tail.path.stat().st_ino
    tail.path.unlink()
    new = some(lines, 5)
    for number in range(99):  # until the file system uses it again, if it does
        tail.path.write_bytes(b"".join(new))
        if tail.path.stat().st_ino == inode:
            break
        tail.path.rename(tail.path.with_name(f"aside{number}"))
    tail.path.write_bytes(b"".join(new))
    tail.restart()
    return written + new


@case
def removed_and_made_again(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.step()
    written += write(tail.path, some(lines))  # still open, so nothing of it is lost
    tail.path.unlink()
    tail.settle()
    return written + write(tail.path, some(lines))


@case
def compressed_after_it_was_read(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines, 9))
    tail.settle()
    rename(tail.path)
    written += write(tail.path, some(lines))
    tail.settle(LONG_S)
    compress(numbered(tail.path, 1))
    return written + write(tail.path, some(lines))


@case
def compressed_before_it_was_read(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.settle()
    for _ in range(3):
        written += write(tail.path, some(lines))
        rename(tail.path)
        compress(numbered(tail.path, 1))
    tail.restart()
    return written + write(tail.path, some(lines))


@case
def copied_compressed_and_truncated(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.step()
    written += write(tail.path, some(lines))
    copy_truncate(tail.path)
    compress(numbered(tail.path, 1))
    return written + write(tail.path, some(lines))


@case
def a_short_one_replaced_by_its_copy(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.settle()
    copy_back(tail.path)
    return written + write(tail.path, some(lines))


@case
def a_short_one_replaced_by_its_copy_while_down(
    tail: Follower, lines: Iterator[bytes]
) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.settle()
    copy_back(tail.path)
    written += write(tail.path, some(lines))
    tail.restart()
    return written


@case
def a_short_one_replaced_by_copies_of_copies(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    for _ in range(2):
        tail.step()
        copy_back(tail.path)
    tail.settle()
    written += write(tail.path, some(lines))
    tail.restart()
    return written


@case
def short_ones_all_replaced_by_copies_while_down(
    tail: Follower, lines: Iterator[bytes]
) -> list[bytes]:
    written = list[bytes]()
    for _ in range(3):
        written += write(tail.path, some(lines))
        tail.settle()
        rename(tail.path)
    written += write(tail.path, some(lines))
    tail.settle()
    for path in (tail.path, *(numbered(tail.path, number) for number in (1, 2, 3))):
        copy_back(path)
    tail.restart()
    return written + write(tail.path, some(lines))


@case
def replaced_by_a_longer_copy_that_is_renamed(
    tail: Follower, lines: Iterator[bytes]
) -> list[bytes]:
    written = write(tail.path, some(lines, 9))
    tail.step()
    copy_back(tail.path)
    written += write(tail.path, some(lines))
    rename(tail.path)
    return written + write(tail.path, some(lines))


@case
def written_to_after_a_power_cut_before_it_starts(
    tail: Follower, lines: Iterator[bytes]
) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.settle()
    tail.path.write_bytes(b"".join(written[:1]))
    written += write(tail.path, some(lines, 1))
    tail.restart()
    return written


@case
def a_last_line_in_parts(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    line = next(lines)
    for octet in range(0, len(line), 5):
        put(tail.path, line[octet : octet + 5])
        tail.step()
    return [line]


@case
def no_line_end_for_an_hour(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    line = next(lines)
    put(tail.path, line[:20])
    tail.settle()
    tail.step(3_600)
    put(tail.path, line[20:])
    return [line]


@case
def renamed_with_half_a_line_that_is_never_finished(
    tail: Follower, lines: Iterator[bytes]
) -> list[bytes]:
    half = next(lines)[:-9]
    put(tail.path, half)
    tail.step()
    rename(tail.path)
    written = write(tail.path, some(lines))
    tail.step(LONG_S)
    return [half, *written]


@case
def lines_over_64_kib_and_over_what_is_kept(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    long = b"a" * (LONGEST_LINE + 1) + b"\n"
    longer = b"b" * (KEPT + 1_000)
    write(tail.path, [next(lines), long, longer + b"\n", next(lines)])
    return [_first(lines, 1), long, longer[:TOLD], _first(lines, 2)]


def _first(_lines: Iterator[bytes], number: int) -> bytes:
    return reading_text(number, number).encode()


@case
def nul_bytes(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    return write(tail.path, [next(lines), b"\0" * 200 + b"\n", next(lines)])


@case
def bytes_that_are_no_utf_8(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    return write(tail.path, [next(lines), b"\xff\xfe\n", next(lines)])


@case
def carriage_returns(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    return write(tail.path, [line.replace(b"\n", b"\r\n") for line in some(lines)])


@case
def a_byte_order_mark(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    first, *rest = some(lines)
    write(tail.path, [b"\xef\xbb\xbf" + first, *rest])
    return [first, *rest]


@case
def blank_lines_say_nothing(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = some(lines)
    put(tail.path, b"\n".join([b"", *written, b"  ", b""]))
    return written


@case
def a_log_that_appears_later(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    tail.settle()
    tail.step(3_600)
    return write(tail.path, some(lines))


@case
def a_folder_that_vanishes_and_returns(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.settle()
    folder, away = tail.path.parent, tail.path.parent.with_name("away")
    folder.rename(away)
    tail.step()
    away.rename(folder)
    return written + write(tail.path, some(lines))


@case
def a_folder_in_whose_place_is_another(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.settle()
    shutil.rmtree(tail.path.parent)
    tail.step()
    tail.path.parent.mkdir()
    return written + write(tail.path, some(lines))


@case
def not_readable_for_a_while(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.settle()
    aside = tail.path.with_name("aside")
    tail.path.rename(aside)
    tail.path.mkdir()  # root may read everything but this
    tail.step()
    tail.path.rmdir()
    aside.rename(tail.path)
    return written + write(tail.path, some(lines))


@case
def a_pipe_in_the_place_of_a_log(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    os.mkfifo(tail.path)
    tail.step()
    tail.path.unlink()
    return write(tail.path, some(lines))


@case
def a_link_to_a_log(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    target = tail.path.with_name("target")
    target.touch()
    tail.path.symlink_to(target)
    written = write(target, some(lines))
    tail.step()
    return written + write(target, some(lines))


@case
def clocks_that_jump_in_the_lines(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    late, later = some(lines, 2)
    earlier = reading_text(-9_000, 7).encode()
    far = reading_text(9_000_000, 8).encode()
    return write(tail.path, [late, far, earlier, later])


@case
def killed_between_reading_and_storing(tail: Follower, lines: Iterator[bytes]) -> list[bytes]:
    written = write(tail.path, some(lines))
    tail.step()
    tail.restart()  # nothing of it was released, so nothing was stored
    return written + write(tail.path, some(lines))


@pytest.mark.parametrize("name", CASES)
def test_every_line_that_is_written_comes_out_once(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    tail = Follower(folder)
    numbered_lines = (reading_text(number, number).encode() for number in count(1))
    written = CASES[name](tail, numbered_lines)
    tail.settle()
    tail.settle(LONG_S)

    assert tail.said == Counter(says(line.removesuffix(b"\n")) for line in written)
