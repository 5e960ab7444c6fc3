"""Runs the programs of one machine: starts them, starts again what fails, ends them all.

A program's output goes to ``<name>.log``. One that ends by itself is started again after a pause
that doubles from 1 s to 30 s. Each is ended by SIGTERM, and by SIGKILL if it has not gone 10 s
later. If the supervisor is killed the kernel ends them: util-linux ``setpriv --pdeathsig``.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

STOP_TIMEOUT_S = 10
FIRST_PAUSE_S = 1
LONGEST_PAUSE_S = 30
READY_TIMEOUT_S = 60
READY_POLL_S = 0.2
READY = b"[^Worker]: Ready"  # Faust, when it has joined its group and recovered its tables


class Program(msgspec.Struct, frozen=True):
    """What to run.

    argv: the command. env: variables added to the supervisor's own.
    ready: what it writes to its log when it is; empty: it is ready when it runs.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready: bytes = b""


class NotReadyError(Exception):
    """A program did not come up in time; the sentence names its log."""


def worker(app: str, env: Mapping[str, str], number: int = 1) -> Program:
    """Return a Faust worker of ``app``: ``decide``, ``route`` or ``deliver``."""
    return Program(f"{app}-{number}", worker_argv(app), env, READY)


def worker_argv(app: str) -> tuple[str, ...]:
    """Return the command of a Faust worker of ``app``."""
    return (sys.executable, "-m", "faust", "-A", f"app.worker:{app}", "worker", "-l", "info")


def command(name: str, *arguments: str, env: Mapping[str, str], ready: bytes) -> Program:
    """Return our own command ``name``, which says ``ready`` when it is."""
    program = "from app.cli import main; main()"
    return Program(name, (sys.executable, "-c", program, name, *arguments), env, ready)


class Supervisor:
    """The running programs. Make and use it on the main thread, for the death signal's sake."""

    def __init__(self, logs: Path, say: Callable[[str], None]) -> None:
        """Write logs into the folder ``logs``; ``say`` what a person should know."""
        self._logs = logs
        self._say = say
        self._running: dict[str, Process] = {}
        self._watches: list[asyncio.Task[None]] = []
        self._unready: dict[Path, tuple[bytes, int]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    async def start(self, programs: Sequence[Program]) -> None:
        """Start ``programs``, and start each again whenever it ends."""
        for program in programs:
            log = self._log(program)
            before = log.stat().st_size if log.exists() else 0
            if program.ready:
                self._unready[log] = (program.ready, before)
            self._running[program.name] = await self._spawn(program)
            self._watches.append(asyncio.create_task(self._watch(program)))

    async def ready(self) -> None:
        """Return when every program that says so is ready.

        Raises:
            NotReadyError: one did not say so within 60 s.
        """
        for _ in range(round(READY_TIMEOUT_S / READY_POLL_S)):
            if not self._unready:
                return
            await asyncio.sleep(READY_POLL_S)
            self._unready = {
                log: (said, before)
                for log, (said, before) in self._unready.items()
                if said not in _written(log, before)
            }
        logs = ", ".join(map(str, self._unready))
        raise NotReadyError(f"not ready after {READY_TIMEOUT_S} s; see {logs}")

    async def stop(self) -> None:
        """End every program; return when all are gone."""
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        await asyncio.gather(*(_end(each) for each in self._running.values()))
        self._running.clear()

    async def _watch(self, program: Program) -> None:
        pause, began_s = FIRST_PAUSE_S, time.monotonic()
        while True:
            code = await self._running[program.name].wait()
            if time.monotonic() - began_s > LONGEST_PAUSE_S:
                pause = FIRST_PAUSE_S  # it had run well
            again = f"starts again in {pause} s; see {self._log(program)}"
            self._say(f"{program.name} ended with {code}, {again}")
            await asyncio.sleep(pause)
            pause, began_s = min(2 * pause, LONGEST_PAUSE_S), time.monotonic()
            try:
                self._running[program.name] = await self._spawn(program)
            except OSError as error:  # no room for its log: the old one is seen to have ended again
                self._say(f"{program.name} cannot start: {error}")

    def _log(self, program: Program) -> Path:
        return self._logs / f"{program.name}.log"

    async def _spawn(self, program: Program) -> Process:
        with self._log(program).open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *mortal(program.argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **program.env},
                start_new_session=True,  # Ctrl-C is the supervisor's: it ends them in order
            )


def mortal(argv: Sequence[str]) -> tuple[str, ...]:
    """Return a command like ``argv`` that the kernel ends when its parent dies."""
    if shutil.which("setpriv") is None:
        return tuple(argv)
    return ("setpriv", "--pdeathsig", "TERM", *argv)


def _written(log: Path, since: int) -> bytes:
    with log.open("rb") as file:
        file.seek(since)
        return file.read()


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def until_interrupted() -> None:
    """Return when SIGINT or SIGTERM has come."""
    loop, interrupted = asyncio.get_running_loop(), asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, interrupted.set)
    await interrupted.wait()
