"""What stands in the place of a log or its folder, and what is stored of it."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest

from edge.complaints import PATIENCE_S
from edge.held_file import HeldFile
from edge.log_file import Position
from tests.edge.logs import READINGS
from tests.edge.rotations import (
    Events,
    Follower,
    lines,
    numbered,
    put,
    rename,
    told,
)


def test_a_folder_that_vanishes_and_returns_is_read_on(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "logs")
    follower.path.parent.mkdir()
    put(follower.path, lines(1))
    follower.settle()
    follower.path.parent.rename(tmp_path / "away")
    follower.settle()
    put(tmp_path / "away" / READINGS, lines(2))
    follower.settle()
    (tmp_path / "away").rename(follower.path.parent)
    put(follower.path, lines(3))
    follower.settle()

    assert follower.texts == ["1", "2", "3"]


def test_a_folder_replaced_by_another_is_read_after_the_old_one(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "logs")
    follower.path.parent.mkdir()
    put(follower.path, lines(1))
    follower.settle()
    put(follower.path, lines(2))
    follower.path.parent.rename(tmp_path / "away")
    follower.path.parent.mkdir()
    put(follower.path, lines(3))
    follower.settle()

    assert follower.texts == ["1", "2", "3"]


def test_a_folder_that_is_not_there_yet_at_the_start_repeats_nothing(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "logs")
    follower.path.parent.mkdir()
    put(follower.path, lines(1))
    follower.settle()
    follower.path.parent.rename(tmp_path / "away")
    follower.path.parent.mkdir()
    follower.restart()
    follower.settle()
    follower.path.parent.rmdir()
    (tmp_path / "away").rename(follower.path.parent)
    put(follower.path, lines(2))
    follower.settle()

    assert follower.texts == ["1", "2"]


@pytest.fixture
def common_user() -> Iterator[Path]:
    """Yield a folder of a user whom permissions hold; root reads everything."""
    root = os.geteuid() == 0
    with TemporaryDirectory() as folder:
        if root:
            os.chown(folder, 65_534, -1)
            os.seteuid(65_534)
        try:
            yield Path(folder)
        finally:
            if root:
                os.seteuid(0)


@pytest.mark.parametrize("before", ["", lines(1)])
def test_an_unreadable_log_is_read_once_it_can_be(
    common_user: Path, events: Events, before: str
) -> None:
    follower = Follower(common_user)
    if before:
        put(follower.path, before)
        follower.settle()
        rename(follower.path)
    put(follower.path, lines(2))
    follower.path.chmod(0)
    for _ in range(3):
        follower.settle()
    follower.path.chmod(0o600)
    follower.settle()

    assert follower.texts == (["1", "2"] if before else ["2"])
    assert events[0] == {
        "event": "log_unreadable",
        "log_level": "error",
        "log": READINGS,
        "reason": "Permission denied",
    }
    assert told(events).count(("error", "log_unreadable")) == 1


@pytest.mark.parametrize("down", [False, True])
def test_a_rotated_file_that_stays_unreadable_is_given_up_and_said(
    common_user: Path, events: Events, *, down: bool
) -> None:
    follower = Follower(common_user)
    put(follower.path, lines(1))
    follower.settle()
    if not down:
        rename(follower.path)
    put(follower.path, lines(2))
    rename(follower.path)
    numbered(follower.path, 1).chmod(0)
    put(follower.path, lines(3))
    if down:
        follower.restart()
    follower.settle()
    before = follower.texts
    follower.settle(PATIENCE_S)
    follower.settle()
    rename(follower.path)
    put(follower.path, lines(4))
    follower.settle()

    name = numbered(follower.path, 1).name
    assert (before, follower.texts) == (["1"], ["1", "3", "4"])
    assert [event for event in events if "file" in event] == [
        {
            "event": event,
            "log_level": "error",
            "log": READINGS,
            "file": name,
            "reason": "Permission denied",
        }
        for event in ("log_unreadable", "log_skipped")
    ]


def test_a_rotated_file_that_becomes_readable_in_time_comes_first(common_user: Path) -> None:
    follower = Follower(common_user)
    put(follower.path, lines(1))
    follower.settle()
    for number in (2, 3):
        rename(follower.path)
        put(follower.path, lines(number))
    numbered(follower.path, 1).chmod(0)
    follower.settle()
    follower.settle(PATIENCE_S - 10)
    numbered(follower.path, 1).chmod(0o600)
    follower.settle()

    assert follower.texts == ["1", "2", "3"]


def test_a_disk_that_fails_for_a_while_loses_nothing(
    follower: Follower, monkeypatch: pytest.MonkeyPatch, events: Events
) -> None:
    read = os.pread

    def fail(fd: int, count: int, offset: int) -> bytes:
        if offset:
            raise OSError(errno.EIO, "Input/output error")
        return read(fd, count, offset)

    put(follower.path, lines(3))
    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", fail)
        follower.settle()
        follower.settle()
    follower.settle()

    assert follower.texts == ["1", "2", "3"]
    assert told(events) == [("error", "log_unreadable")]


@pytest.mark.timeout(60)
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="not a regular file"):
        HeldFile(tmp_path / "pipe")


@pytest.mark.parametrize("kind", ["folder", "pipe", "loop"])
def test_what_is_no_file_in_the_place_of_a_log_stops_nothing(
    follower: Follower, events: Events, kind: str
) -> None:
    put(follower.path, lines(3))
    rename(follower.path)
    if kind == "folder":
        follower.path.mkdir()
    elif kind == "pipe":
        os.mkfifo(follower.path)
    else:
        follower.path.symlink_to(follower.path)
    follower.settle()
    follower.settle()
    follower.path.rmdir() if kind == "folder" else follower.path.unlink()
    put(follower.path, lines(4))
    follower.settle()

    assert follower.texts == ["1", "2", "3", "4"]
    assert told(events) == [("error", "log_unreadable"), ("info", "log_rotated")]


def test_a_link_is_followed_and_may_be_pointed_elsewhere(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "logs")
    follower.path.parent.mkdir()
    monday, tuesday = tmp_path / "monday", tmp_path / "tuesday"
    put(monday, lines(1))
    follower.path.symlink_to(monday)
    follower.settle()
    put(monday, lines(2))
    follower.path.unlink()
    put(tuesday, lines(3))
    follower.path.symlink_to(tuesday)
    follower.settle()

    assert follower.texts == ["1", "2", "3"]


def test_the_target_of_a_link_may_be_rotated_while_it_is_down(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "logs")
    follower.path.parent.mkdir()
    target = tmp_path / "target"
    put(target, lines(1))
    follower.path.symlink_to(target)
    follower.settle()
    put(target, lines(2))
    rename(target)
    put(target, lines(3))
    follower.restart()
    follower.settle()

    assert follower.texts == ["1", "2", "3"]


def test_a_position_is_the_same_after_it_was_stored(follower: Follower) -> None:
    rename(follower.path)
    put(follower.path, lines(3))
    follower.settle()
    position = follower.positions[READINGS]

    assert position.former is not None
    assert position.older[0].inode == numbered(follower.path, 1).stat().st_ino
    assert msgspec.json.decode(msgspec.json.encode(position), type=Position) == position


@pytest.mark.parametrize("rotated", [False, True])
def test_a_position_of_the_version_before_is_gone_on_from(
    follower: Follower, *, rotated: bool
) -> None:
    found, size = follower.path.stat(), len(lines(1, 2))
    stored = (
        f'{{"dev":{found.st_dev},"inode":{found.st_ino},"offset":{size},"line":2,'
        '"counted_at":"2026-01-05T00:00:02Z"}'
    )
    follower.positions[READINGS] = msgspec.json.decode(stored, type=Position)
    put(follower.path, lines(3))
    if rotated:
        rename(follower.path)
        put(follower.path, lines(4))
    follower.restart()
    follower.settle()

    assert follower.texts == (["1", "2", "3", "4"] if rotated else ["1", "2", "3"])


def test_a_lost_file_of_the_version_before_leaves_rotated_ones_unread(
    follower: Follower, events: Events
) -> None:
    follower.positions[READINGS] = msgspec.structs.replace(
        follower.positions[READINGS], inode=1, print=None
    )
    rename(follower.path)
    put(follower.path, lines(3))
    follower.restart()
    follower.settle()

    assert follower.texts == ["1", "2", "3"]
    assert told(events) == [("error", "log_lost")]
