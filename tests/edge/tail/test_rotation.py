"""Rotation: the files of a log are read one after the other, each to its end."""

import os
from pathlib import Path

import pytest

from edge import chain, log_file
from edge.siblings import Sibling, siblings
from tests.edge.rotations import (
    LONG_S,
    Follower,
    lines,
    numbered,
    put,
    rename,
)


def test_a_rotated_file_is_read_to_its_end_before_the_new_one(follower: Follower) -> None:
    with follower.path.open("a") as writer:
        put(follower.path, lines(3))
        rename(follower.path)
        put(follower.path, lines(5))
        writer.write(lines(4))
    follower.settle()

    assert follower.texts == ["1", "2", "3", "4", "5"]


def test_lines_that_come_to_a_rotated_file_late_are_read(follower: Follower) -> None:
    with follower.path.open("ab", buffering=0) as writer:
        rename(follower.path)
        put(follower.path, lines(5))
        follower.settle(LONG_S)
        writer.write(lines(6).encode())
        follower.settle()
        follower.restart()
        writer.write(lines(7).encode())
        put(follower.path, lines(8))
        follower.settle()

    assert follower.texts == ["1", "2", "5", "6", "7", "8"]


def test_a_writer_that_keeps_the_rotated_file_is_followed_there(follower: Follower) -> None:
    with follower.path.open("ab", buffering=0) as writer:
        rename(follower.path)
        follower.path.touch()
        follower.settle()
        for number in (3, 4):
            writer.write(lines(number).encode())
            follower.settle(LONG_S)
    put(follower.path, lines(5))
    follower.settle()

    assert follower.texts == ["1", "2", "3", "4", "5"]


def test_several_rotations_between_two_looks_lose_nothing(follower: Follower) -> None:
    for number in (3, 5, 7):
        put(follower.path, lines(number, number + 1))
        rename(follower.path)
    put(follower.path, lines(9))
    follower.settle()

    assert follower.texts == [str(number) for number in range(1, 10)]


def test_a_rotation_that_keeps_one_file_loses_nothing_that_is_still_there(
    follower: Follower,
) -> None:
    put(follower.path, lines(3))
    for number in (4, 5):
        follower.path.replace(numbered(follower.path, 1))
        put(follower.path, lines(number))
    follower.settle()

    assert follower.texts == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    "names",
    [
        (".3", ".2", ".1"),
        ("-20251231", "-20260101", "-20260102"),
        (".2025-12-31", ".2026-01-01", ".2026-01-02"),
        ("-20260101-060000", "-20260101-120000", "-20260102-000000"),
    ],
)
def test_several_rotations_while_it_was_down_lose_nothing(
    follower: Follower, names: tuple[str, ...]
) -> None:
    for number, name in enumerate(names, 3):
        put(follower.path, lines(number))
        follower.path.rename(follower.path.with_name(follower.path.name + name))
    put(follower.path, lines(6))
    follower.restart()
    follower.settle()

    assert follower.texts == ["1", "2", "3", "4", "5", "6"]


def test_a_restart_in_the_midst_of_rotated_files_goes_on_there(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "QUEUE", 3)
    monkeypatch.setattr(log_file, "CHUNK", 60)
    for number in (3, 6, 9):
        put(follower.path, lines(*range(number, number + 3)))
        rename(follower.path)
    put(follower.path, lines(12))
    for _ in range(9):
        follower.restart()
        follower.step()
        follower.step(2)
    follower.settle()

    assert follower.texts == [str(number) for number in range(1, 13)]


def test_a_file_renamed_and_not_replaced_is_read_on(follower: Follower) -> None:
    rename(follower.path)
    follower.settle()
    put(numbered(follower.path, 1), lines(3))
    follower.settle()

    assert follower.texts == ["1", "2", "3"]


def test_a_rotation_that_is_undone_repeats_nothing(follower: Follower) -> None:
    rename(follower.path)
    put(follower.path, lines(3))
    follower.settle()
    numbered(follower.path, 1).replace(follower.path)
    put(follower.path, lines(4))
    follower.settle()

    assert follower.texts == ["1", "2", "3", "4"]


def test_files_rotated_before_the_first_start_stay_unread(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    for number in (1, 2, 3):
        put(follower.path, lines(number))
        rename(follower.path)
    put(follower.path, lines(4))
    follower.settle()
    rename(follower.path)
    put(follower.path, lines(5))
    follower.restart()
    follower.settle()

    assert follower.texts == ["4", "5"]


def test_what_came_and_was_rotated_after_the_first_look_is_read(tmp_path: Path) -> None:
    follower = Follower(tmp_path)
    follower.step()
    for number in (1, 2):
        put(follower.path, lines(number))
        rename(follower.path)
    follower.settle()

    assert follower.texts == ["1", "2"]


def test_reading_once_takes_the_rest_of_rotated_files_along(follower: Follower) -> None:
    put(follower.path, lines(3) + "power")
    rename(follower.path)
    put(follower.path, lines(4))
    follower.restart()
    follower.tail.look(0)
    follower.tail.fill()
    entries = follower.tail.release_all()

    assert [entry.raw or entry.at.second for entry in entries] == [3, 4, b"power"]
    assert (follower.tail.behind, follower.tail.queued, follower.tail.unfinished) == (
        False,
        False,
        {},
    )


def test_a_rotation_in_the_midst_of_a_look_loses_nothing(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotations = iter((4, 5))

    def listed(log: Path) -> list[Sibling]:
        found = siblings(log)
        if log == follower.path and (number := next(rotations, None)) is not None:
            rename(log)
            put(log, lines(number))
        return found

    monkeypatch.setattr(chain, "siblings", listed)
    rename(follower.path)
    put(follower.path, lines(3))
    follower.settle()

    assert follower.texts == ["1", "2", "3", "4", "5"]


def test_a_folder_in_which_nothing_changes_is_not_listed_again_and_again(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = list[Path]()

    def listed(log: Path) -> list[Sibling]:
        looked.append(log)
        return siblings(log)

    monkeypatch.setattr(chain, "siblings", listed)
    rename(follower.path)
    for _ in range(100):
        follower.step()

    assert looked.count(follower.path) == 2 * chain.SCANS


def test_files_that_are_done_with_are_closed(follower: Follower) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a Path for each number
    for number in range(3, 53):
        rename(follower.path)
        put(follower.path, lines(number))
        follower.settle()

    assert len(os.listdir("/proc/self/fd")) <= before + 1  # noqa: PTH208
    assert len(follower.texts) == 52
