"""The edge wakes when a log changes, and sleeps while none does.

Files are real; a test that waits for a change has SOON_S, and is woken long before.
"""

import asyncio
import errno
import os
import sys
from collections.abc import Callable
from enum import IntFlag
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from edge import notice as module
from edge.notice import LOOK_EVERY_S, SAFETY_S, Notice
from tests.edge.logs import READINGS, TRANSITIONS, append

SOON_S = 20
QUIET_S = 0.1

Change = Callable[[], object]


@pytest.fixture
def inotify(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("inotify_simple")
    monkeypatch.setattr(module, "GATHER_S", 0.01)


async def woken(event: asyncio.Event, notice: Notice, timeout_s: float) -> bool:
    """Return whether it was woken, as the edge's loop waits."""
    notice.watch()
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True


def after(folder: Path, *changes: Change, timeout_s: float = SOON_S) -> list[bool]:
    """Return for each of ``changes`` whether it wakes."""

    async def wait() -> list[bool]:
        event, seen = asyncio.Event(), list[bool]()
        with Notice(folder, event.set) as notice:
            for change in changes:
                change()
                seen.append(await woken(event, notice, timeout_s))
        return seen

    return asyncio.run(wait())


def every_s(folder: Path, *changes: Change) -> list[float]:
    """Return how often it is looked nevertheless, at first and after each of ``changes``."""

    async def watch() -> list[float]:
        with Notice(folder, lambda: None) as notice:
            seen = [notice.every_s]
            for change in changes:
                change()
                notice.watch()
                seen.append(notice.every_s)
        return seen

    return asyncio.run(watch())


@pytest.mark.usefixtures("inotify")
def test_each_change_of_a_log_wakes(tmp_path: Path) -> None:
    log, rotated = tmp_path / TRANSITIONS, tmp_path / f"{TRANSITIONS}.1"

    assert (
        after(
            tmp_path,
            lambda: append(tmp_path, TRANSITIONS, "new"),
            lambda: append(tmp_path, TRANSITIONS, "more"),
            lambda: log.chmod(0o600),
            lambda: log.rename(rotated),
            lambda: append(tmp_path, rotated.name, "late"),
            rotated.unlink,
        )
        == [True] * 6
    )


@pytest.mark.usefixtures("inotify")
def test_nothing_wakes_while_no_log_changes(tmp_path: Path) -> None:
    append(tmp_path, READINGS, "there already")

    assert (
        after(
            tmp_path,
            lambda: None,
            lambda: append(tmp_path, "spool.db", "a commit"),
            (tmp_path / READINGS).read_bytes,
            timeout_s=QUIET_S,
        )
        == [False] * 3
    )


@pytest.mark.usefixtures("inotify")
def test_what_is_written_at_once_wakes_once(tmp_path: Path) -> None:
    def write() -> None:
        for _ in range(100):
            append(tmp_path, READINGS, "x")

    assert after(tmp_path, write, lambda: None, timeout_s=QUIET_S) == [True, False]


@pytest.mark.usefixtures("inotify")
def test_a_folder_that_vanishes_and_returns_is_watched_again(tmp_path: Path) -> None:
    folder, away = tmp_path / "logs", tmp_path / "away"
    folder.mkdir()

    async def wait() -> list[object]:
        event, seen = asyncio.Event(), list[object]()
        with Notice(folder, event.set) as notice:
            folder.rename(away)
            seen += [await woken(event, notice, SOON_S), notice.every_s]
            away.rename(folder)
            notice.watch()
            append(folder, READINGS, "x")
            seen += [await woken(event, notice, SOON_S), notice.every_s]
        return seen

    assert asyncio.run(wait()) == [True, LOOK_EVERY_S, True, SAFETY_S]


@pytest.mark.usefixtures("inotify")
@pytest.mark.parametrize("remove", [False, True])
def test_a_folder_in_the_place_of_another_is_watched(tmp_path: Path, *, remove: bool) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()

    async def wait() -> list[bool]:
        event, seen = asyncio.Event(), list[bool]()
        with Notice(folder, event.set) as notice:
            for _ in range(3):
                folder.rmdir() if remove else folder.rename(tmp_path / f"away{len(seen)}")
                folder.mkdir()
                seen.append(await woken(event, notice, SOON_S))
                notice.watch()
                (folder / READINGS).touch()
                seen.append(await woken(event, notice, SOON_S))
                (folder / READINGS).unlink()
                seen.append(await woken(event, notice, SOON_S))
        return seen

    assert asyncio.run(wait()) == [True] * 9


@pytest.mark.usefixtures("inotify")
def test_logs_are_polled_while_their_folder_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "logs"

    assert every_s(folder, folder.mkdir, folder.rmdir) == [LOOK_EVERY_S, SAFETY_S, LOOK_EVERY_S]


@pytest.mark.usefixtures("inotify")
def test_logs_are_polled_while_one_of_them_is_a_link(tmp_path: Path) -> None:
    link = tmp_path / READINGS
    target = tmp_path / "elsewhere"

    assert every_s(tmp_path, lambda: link.symlink_to(target), link.unlink) == [
        SAFETY_S,
        LOOK_EVERY_S,
        SAFETY_S,
    ]


@pytest.mark.usefixtures("inotify")
def test_nothing_is_left_open_or_to_be_called(tmp_path: Path) -> None:
    async def leave() -> list[str]:
        called = list[str]()
        with Notice(tmp_path, lambda: called.append("woken")):
            append(tmp_path, READINGS, "x")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.sleep(3 * module.GATHER_S)
        return called

    before = len(list(Path("/proc/self/fd").iterdir()))

    assert asyncio.run(leave()) == []
    assert len(list(Path("/proc/self/fd").iterdir())) == before


class Flags(IntFlag):
    """inotify's, as far as they are used."""

    MODIFY = ATTRIB = CREATE = DELETE = DELETE_SELF = MOVE_SELF = 1
    MOVED_FROM = MOVED_TO = ONLYDIR = IGNORED = 1


class Full:
    """An inotify that has no watch left."""

    flags = Flags

    def __init__(self) -> None:
        self._ends = os.pipe()

    def fileno(self) -> int:
        return self._ends[0]

    def add_watch(self, _path: Path, _mask: int) -> int:
        raise OSError(errno.ENOSPC, "no space")

    def close(self) -> None:
        for end in self._ends:
            os.close(end)


def none_left(*, nonblocking: bool) -> Full:
    raise OSError(errno.EMFILE, "too many" if nonblocking else "")


def no_such_call(*, nonblocking: bool) -> Full:
    raise AttributeError(f"inotify_init1, {nonblocking=}")


def full(*, nonblocking: bool) -> Full:
    return Full() if nonblocking else none_left(nonblocking=nonblocking)


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        (None, "import of inotify_simple halted; None in sys.modules"),
        (SimpleNamespace(INotify=no_such_call, flags=Flags), "inotify_init1, nonblocking=True"),
        (SimpleNamespace(INotify=none_left, flags=Flags), "[Errno 24] too many"),
        (SimpleNamespace(INotify=full, flags=Flags), "[Errno 28] no space"),
    ],
    ids=["no package", "no Linux", "no inotify left", "no watch left"],
)
def test_where_it_cannot_be_told_of_changes_it_polls_and_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: object, reason: str
) -> None:
    monkeypatch.setitem(sys.modules, "inotify_simple", package)
    with capture_logs() as said:
        assert every_s(tmp_path, lambda: None, lambda: None) == [LOOK_EVERY_S] * 3

    assert said == [
        {"event": "logs_polled", "log_level": "warning", "every_s": LOOK_EVERY_S, "reason": reason}
    ]
