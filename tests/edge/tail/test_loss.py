"""Truncated, replaced, removed: what is there comes out once, what is lost is said."""

import errno
import os
import shutil
from pathlib import Path

import msgspec
import pytest

from edge import chain, recent
from edge.siblings import Sibling
from tests.edge.logs import READINGS
from tests.edge.rotations import (
    LONG_S,
    Events,
    Follower,
    copy_truncate,
    lines,
    put,
    rename,
    told,
)


@pytest.mark.parametrize("down", [False, True])
def test_what_was_copied_before_it_was_truncated_is_read_from_the_copy(
    follower: Follower, *, down: bool
) -> None:
    put(follower.path, lines(3))
    copy_truncate(follower.path)
    put(follower.path, lines(4, 5, 6, 7))
    if down:
        follower.restart()
    follower.settle()
    put(follower.path, lines(8))
    follower.settle()

    assert follower.texts == [str(number) for number in range(1, 9)]


@pytest.mark.parametrize("down", [False, True])
def test_what_was_truncated_unread_and_not_copied_is_lost_and_said(
    follower: Follower, events: Events, *, down: bool
) -> None:
    put(follower.path, lines(3))
    if not down:
        follower.tail.look(follower.now_s)
    follower.path.write_text(lines(4, 5, 6, 7))
    if down:
        follower.restart()
    follower.settle()

    assert follower.texts == ["1", "2", "4", "5", "6", "7"]
    assert told(events)[0] == ("error", "log_lost" if down else "log_rewritten")


def test_what_was_removed_unread_while_it_was_down_is_lost_and_said(
    follower: Follower, events: Events
) -> None:
    put(follower.path, lines(3))
    follower.path.unlink()
    put(follower.path, lines(4))
    follower.restart()
    follower.settle()

    assert follower.texts == ["1", "2", "4"]
    assert events == [{"event": "log_lost", "log_level": "error", "log": READINGS, "line": 2}]


def test_a_removed_file_is_read_to_its_end(follower: Follower) -> None:
    put(follower.path, lines(3))
    follower.path.unlink()
    follower.settle()
    put(follower.path, lines(4))
    follower.settle()

    assert follower.texts == ["1", "2", "3", "4"]


def test_rotated_files_stay_read_whatever_is_removed(follower: Follower) -> None:
    for number in (3, 4):
        rename(follower.path)
        put(follower.path, lines(number))
    follower.settle()
    for number in (5, 6):
        follower.path.unlink()
        put(follower.path, lines(number))
        for _ in range(3):
            follower.settle(LONG_S)

    assert follower.texts == ["1", "2", "3", "4", "5", "6"]


def test_a_removed_file_is_let_go_once_it_is_done_with(follower: Follower) -> None:
    follower.path.unlink()
    follower.settle()
    held = removed_and_open(follower.path)
    put(follower.path, lines(3))
    for _ in range(3):
        follower.settle(LONG_S)

    assert (held, removed_and_open(follower.path)) == (1, 0)


def removed_and_open(path: Path) -> int:
    links = [each.readlink() for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return links.count(path.with_name(f"{path.name} (deleted)"))


def test_an_inode_number_that_is_used_again_is_another_file(follower: Follower) -> None:
    follower.path.unlink()
    put(follower.path, lines(3, 4, 5))
    follower.positions[READINGS] = msgspec.structs.replace(
        follower.positions[READINGS], inode=follower.path.stat().st_ino
    )
    follower.restart()
    follower.settle()

    assert follower.texts == ["1", "2", "3", "4", "5"]


def test_a_file_replaced_while_it_was_down_is_looked_for_under_its_new_name(
    follower: Follower,
) -> None:
    put(follower.path, lines(3))
    follower.path.rename(follower.path.with_name(f"{READINGS}-20260105"))
    put(follower.path, lines(4))
    follower.restart()
    follower.settle()

    assert follower.texts == ["1", "2", "3", "4"]


def test_a_file_replaced_by_a_copy_of_itself_is_read_on(tmp_path: Path) -> None:
    follower, count = Follower(tmp_path), 12
    put(follower.path, lines(*range(1, count)))
    follower.settle()
    for down in (True, False):
        put(follower.path, lines(count) + lines(count + 1)[:20])
        follower.step()
        copy = tmp_path / "copy"
        shutil.copy(follower.path, copy)
        copy.replace(follower.path)
        put(follower.path, lines(count + 1)[20:])
        count += 2
        if down:
            follower.restart()
        follower.settle()

    assert follower.texts == [str(number) for number in range(1, count)]
    assert [entry.number for entry in follower.released] == list(range(1, count))


@pytest.mark.parametrize("down", [False, True])
def test_a_power_cut_that_takes_the_end_repeats_nothing(
    follower: Follower, events: Events, *, down: bool
) -> None:
    os.truncate(follower.path, len(lines(1)) + 20)
    if down:
        follower.restart()
    follower.step()
    put(follower.path, lines(3))
    follower.settle()

    torn = [lines(2)[:20]] if down else []  # then nobody knows whose half it is
    assert follower.texts == ["1", "2", *torn, "3"]
    assert ("error", "log_shortened") in told(events)


def test_what_is_left_of_half_a_line_is_told_with_what_came_after_it(
    follower: Follower, events: Events
) -> None:
    put(follower.path, lines(*range(3, 9)))
    follower.settle()
    os.truncate(follower.path, follower.path.stat().st_size - 20)
    put(follower.path, lines(9, 10))
    follower.restart()
    follower.settle()

    numbers = [str(number) for number in range(1, 9)]
    assert follower.texts == [*numbers, lines(8)[:-20] + lines(9)[:-1], "10"]
    assert told(events) == [("error", "log_shortened")]


@pytest.mark.parametrize("lost", [1, 3, 70])
@pytest.mark.parametrize("new", [1, 2, 3, 5])
@pytest.mark.parametrize("left", ["", "\0" * 150])
def test_what_is_written_between_a_power_cut_and_the_start_is_read(
    follower: Follower, events: Events, lost: int, new: int, left: str
) -> None:
    put(follower.path, lines(*range(3, 100)))
    follower.settle()
    os.truncate(follower.path, len(lines(*range(1, 100 - lost))))
    written = range(100, 100 + new)
    put(follower.path, left + lines(*written))
    follower.restart()
    follower.settle()
    put(follower.path, lines(200))
    follower.settle()

    lines_known = lost <= recent.LINES
    assert follower.texts[99:] == [str(n) for n in written if lines_known] + ["200"]
    assert told(events) == [("error", "log_shortened")]


def test_lines_that_repeat_are_told_apart_by_where_they_stand(follower: Follower) -> None:
    put(follower.path, lines(3, 3, 3, 4, 4))
    follower.settle()
    os.truncate(follower.path, len(lines(1, 2, 3, 3)))
    put(follower.path, lines(4, 3, 4))
    follower.restart()
    follower.settle()

    assert follower.texts == ["1", "2", "3", "3", "3", "4", "4", "4", "3", "4"]
    assert [entry.number for entry in follower.released[-3:]] == [5, 6, 7]


def test_a_file_of_which_only_half_a_line_is_left_is_read_anew(follower: Follower) -> None:
    os.truncate(follower.path, 40)
    put(follower.path, "\n" + lines(3))
    follower.restart()
    follower.settle()

    assert follower.texts == ["1", "2", lines(1)[:40], "3"]


def test_lines_that_wait_while_their_file_loses_its_end_hide_no_new_ones(
    follower: Follower,
) -> None:
    put(follower.path, lines(3))
    follower.step()
    os.truncate(follower.path, len(lines(1, 2)))
    follower.step()
    follower.step(2)
    put(follower.path, lines(4))
    follower.restart()
    follower.settle()

    assert follower.texts == ["1", "2", "3", "4"]


def test_a_rewritten_file_is_not_read_on_while_nothing_can_be_told_of_it(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_log: Path) -> list[Sibling]:
        raise PermissionError(errno.EACCES, "Permission denied")

    follower.path.write_text(lines(3, 4, 5))
    with monkeypatch.context() as patched:
        patched.setattr(chain, "siblings", fail)
        follower.settle()
        before = follower.texts
    follower.settle()

    assert before == ["1", "2"]
    assert follower.texts == ["1", "2", "3", "4", "5"]


def test_a_file_rewritten_with_the_same_length_is_read_anew(follower: Follower) -> None:
    size = follower.path.stat().st_size
    with follower.path.open("r+") as writer:
        writer.write(lines(3, 4))
    follower.settle()

    assert follower.path.stat().st_size == size
    assert follower.texts == ["1", "2", "3", "4"]


def test_an_empty_file_replaced_by_another_is_no_loss(tmp_path: Path, events: Events) -> None:
    follower = Follower(tmp_path)
    follower.path.touch()
    follower.settle()
    (tmp_path / "other").write_text(lines(1))
    (tmp_path / "other").replace(follower.path)
    follower.settle()

    assert follower.texts == ["1"]
    assert told(events) == [("info", "log_rotated")]


def test_a_line_read_before_its_file_was_rewritten_is_not_repeated_by_a_restart(
    follower: Follower,
) -> None:
    put(follower.path, lines(3))
    follower.step()
    follower.path.write_text(lines(4, 5, 6, 7))
    follower.step()
    follower.step(2)
    follower.restart()
    follower.settle()

    assert follower.texts == ["1", "2", "3", "4", "5", "6", "7"]
