"""Lines without an end, and odd ones."""

from pathlib import Path

import pytest

from edge.parse import Bad
from tests.edge.logs import READINGS, at
from tests.edge.rotations import (
    LONG_S,
    Follower,
    lines,
    numbered,
    put,
    rename,
)


def test_a_line_that_has_no_end_for_an_hour_is_one_line(follower: Follower) -> None:
    text = lines(3)
    for part in (text[:9], text[9:30], text[30:]):
        put(follower.path, part)
        follower.step(3600)
    follower.settle()

    assert follower.texts == ["1", "2", "3"]


def test_the_last_line_of_a_rotated_file_needs_no_end(follower: Follower) -> None:
    put(follower.path, lines(3)[:-1])
    follower.step()
    rename(follower.path)
    put(follower.path, lines(4))
    follower.step()
    follower.step()
    follower.step(9)
    before = follower.texts
    follower.step(LONG_S)
    follower.restart()
    follower.settle()

    assert before == ["1", "2", "4"]
    assert follower.texts == ["1", "2", "4", "3"]


def test_a_line_may_end_in_a_file_that_is_rotated_already(follower: Follower) -> None:
    text = lines(3)
    with follower.path.open("a") as writer:
        put(follower.path, text[:20])
        follower.step()
        rename(follower.path)
        follower.step(8)
        writer.write(text[20:])
    put(follower.path, lines(4))
    follower.settle(LONG_S)

    assert follower.texts == ["1", "2", "3", "4"]


def test_what_has_no_end_in_a_file_rotated_twice_comes_in_its_place(follower: Follower) -> None:
    put(follower.path, "power")
    rename(follower.path)
    put(follower.path, lines(3))
    rename(follower.path)
    put(follower.path, lines(4))
    follower.settle()

    assert follower.texts == ["1", "2", "power", "3", "4"]


def test_what_has_no_end_comes_once_also_when_nothing_follows(follower: Follower) -> None:
    put(follower.path, "power")
    for _ in range(2):
        rename(follower.path)
        follower.path.touch()
    for _ in range(3):
        follower.settle(LONG_S)
        follower.restart()

    assert follower.texts == ["1", "2", "power"]
    assert follower.positions[READINGS].inode == numbered(follower.path, 2).stat().st_ino


def test_what_has_no_end_in_a_truncated_file_comes_out(follower: Follower) -> None:
    put(follower.path, "power")
    follower.step()
    follower.path.write_text(lines(3))
    follower.settle()

    assert follower.texts == ["1", "2", "power", "3"]


@pytest.mark.parametrize(
    ("line", "raw", "reason"),
    [
        (b"\xef\xbb\xbf" + lines(1).encode(), b"", ""),
        (lines(1).replace("\n", "\r\n").encode(), b"", ""),
        (b"from=\0\0\n", b"from=\0\0", "NUL"),
        (b"\xef\xbb\xbfrubbish\n", b"\xef\xbb\xbfrubbish", "rubbish is not a time"),
        (b"a" * 65_537 + b"\n", b"a" * 65_537, "65,537 bytes long, more than 65,536"),
        (b"a" * 600_000 + b"\n", b"a" * 65_537, "600,000 bytes long; the first 65,537"),
    ],
    ids=["byte order mark", "CRLF", "NUL", "malformed after a mark", "64 KiB", "over the limit"],
)
def test_odd_lines_are_one_record_each(
    tmp_path: Path, line: bytes, raw: bytes, reason: str
) -> None:
    follower = Follower(tmp_path)
    put(follower.path, line + b"\n" + lines(2).encode())
    follower.settle()
    first, second = follower.released

    said = first.item.reason if isinstance(first.item, Bad) else ""
    assert (first.raw, first.number, bool(said)) == (raw, 1, bool(reason))
    assert reason in said
    assert (second.number, second.position.offset) == (3, len(line) + 1 + len(lines(2)))


def test_a_byte_order_mark_may_begin_each_file(follower: Follower) -> None:
    rename(follower.path)
    put(follower.path, b"\xef\xbb\xbf" + lines(3).encode())
    follower.settle()

    assert follower.texts == ["1", "2", "3"]


def test_a_line_of_an_earlier_time_counts_with_the_one_before_it(follower: Follower) -> None:
    put(follower.path, lines(40, 30, 50))
    rename(follower.path)
    put(follower.path, lines(20, 60))
    follower.settle()

    counted = list(zip(follower.texts, [entry.at for entry in follower.released], strict=True))
    assert counted[2:] == [
        ("40", at(40)),
        ("30", at(40)),
        ("50", at(50)),
        ("20", at(50)),
        ("60", at(60)),
    ]
