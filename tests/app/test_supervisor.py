"""The supervisor, on real processes: what fails is started again, and everything ends."""

import asyncio
import sys
from pathlib import Path

import pytest

from app import supervisor
from app.supervisor import NotReadyError, Program, Supervisor

LASTS = "time.sleep(60)"  # longer than any test here, and then it ends by itself
MUTE = f"import time; {LASTS}"


def program(name: str, script: str, ready: bytes = b"") -> Program:
    return Program(name, (sys.executable, "-u", "-c", script), {}, ready)


def counted(folder: Path) -> Program:
    """Return a program that writes down each of its starts, and fails."""
    file = str(folder / "starts")
    return program("fails", f"open({file!r}, 'a').write('x'); raise SystemExit(3)")


async def until(folder: Path, starts: int) -> None:
    file = folder / "starts"
    while not file.exists() or len(file.read_text()) < starts:
        await asyncio.sleep(0.02)


def test_what_fails_is_started_again_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.01)
    said: list[str] = []

    async def scenario() -> None:
        house = Supervisor(tmp_path / "logs", said.append)
        await house.start([counted(tmp_path)])
        await asyncio.wait_for(until(tmp_path, 3), 60)
        await house.stop()

    asyncio.run(scenario())

    assert said[0].startswith("fails ended with 3, starts again in 0.01 s; see ")


def test_it_is_ready_when_its_programs_say_so(tmp_path: Path) -> None:
    async def scenario() -> list[int | None]:
        house = Supervisor(tmp_path, print)
        wait = f"import time; print('up'); {LASTS}"
        await house.start([program("one", wait, b"up"), program("two", wait)])
        await house.ready()
        running = list(house._running.values())
        await house.stop()
        return [process.returncode for process in running]

    assert asyncio.run(scenario()) == [-15, -15]


def test_what_was_said_before_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "READY_TIMEOUT_S", 0.4)
    (tmp_path / "mute.log").write_bytes(b"up, yesterday")

    async def scenario() -> None:
        house = Supervisor(tmp_path, print)
        try:
            await house.start([program("mute", MUTE, b"up")])
            await house.ready()
        finally:
            await house.stop()

    with pytest.raises(NotReadyError):
        asyncio.run(scenario())


def test_what_does_not_come_up_is_named_by_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "READY_TIMEOUT_S", 0.4)

    async def scenario() -> None:
        house = Supervisor(tmp_path, print)
        try:
            await house.start([program("mute", MUTE, b"up")])
            await house.ready()
        finally:
            await house.stop()

    with pytest.raises(NotReadyError, match=r"mute\.log"):
        asyncio.run(scenario())


def test_what_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT_S", 0.2)
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up');" + LASTS
    )

    async def scenario() -> int | None:
        house = Supervisor(tmp_path, print)
        await house.start([program("stubborn", script, b"up")])
        await house.ready()
        (process,) = house._running.values()
        await house.stop()
        return process.returncode

    assert asyncio.run(scenario()) == -9
