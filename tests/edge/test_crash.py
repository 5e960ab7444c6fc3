"""The spool under SIGKILL at every statement, and on a disk that is full, read-only, or broken."""

import os
import signal
import sqlite3
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge.ledger import Ledger
from edge.pump import Pump
from edge.spool import Spool, SpoolError
from edge.tail import Tail
from tests.edge.logs import (
    READINGS,
    TRANSITIONS,
    append,
    at,
    reading_text,
    records,
    transition_text,
)
from tests.events import rule

TICK = timedelta(seconds=15)
SECONDS = range(0, 132, 4)
LOST = rule(
    'name="lost"\nstream="transitions"\nwhen={field="source",not_equals="grid"}\nfor="10s"\n'
    'clear_for="5s"\nreset="20s"'
)


class Fate:
    """What becomes of the next statements: at ``fatal`` something happens. count: how many ran."""

    def __init__(self, fatal: int = -1, happens: Callable[[], None] = lambda: None) -> None:
        self.count = 0
        self._fatal = fatal
        self._happens = happens

    def step(self) -> None:
        self.count += 1
        if self.count == self._fatal:
            self._happens()


def connecting(fate: Fate) -> Callable[..., sqlite3.Connection]:
    class Doomed(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            fate.step()
            return super().execute(*arguments)

        def executemany(self, *arguments: Any) -> sqlite3.Cursor:
            fate.step()
            return super().executemany(*arguments)

    def connect(path: Path, **options: Any) -> sqlite3.Connection:
        return Doomed(path, **options)

    return connect


def write(folder: Path, second: int) -> None:
    append(folder, READINGS, reading_text(second, second))
    if second % 40 == 0:
        append(folder, TRANSITIONS, transition_text(second, "none" if second % 80 else "grid"))


def live(folder: Path, seconds: range = SECONDS) -> None:
    """Follow the logs while they are written, as the service does; take up where it left off."""
    with Spool(folder / "spool.db", "home") as spool:
        ledger = Ledger("home", "r", spool)
        pump = Pump(Tail(folder, spool.positions, UTC, 2), ledger, TICK, (LOST,))
        done = (folder / "done").stat().st_size if (folder / "done").exists() else 0
        for second in seconds[done:]:
            write_once(folder, second)
            step(pump, second)
            step(pump, second + 2)
            append(folder, "done", "x")


def write_once(folder: Path, second: int) -> None:
    """Write what the box writes at ``second``; the box is another program, and is not killed."""
    if f"{second}\n" not in _written(folder):
        write(folder, second)
        append(folder, "written", f"{second}\n")


def _written(folder: Path) -> list[str]:
    file = folder / "written"
    return file.read_text().splitlines(keepends=True) if file.exists() else []


def step(pump: Pump, second: float) -> None:
    while pump.step(second, at(second - 2)):
        pass


def spooled(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    with Spool(folder / "spool.db", "home") as spool:
        return records(spool)


def facts(folder: Path) -> list[Any]:
    """Return what the lines made, without ticks and policies: those tell of starts."""
    return [
        (topic, record["type"], record.get("line"), record["ts"], record["source"])
        for topic, record in spooled(folder)
        if record["type"] not in {"tick", "policy"}
    ]


def decided(folder: Path) -> list[tuple[str, str]]:
    with Spool(folder / "spool.db", "home") as spool:
        handing = Ledger("home", "r", spool).handing
        return [(str(each.decision.kind), each.decision.id) for each in handing.untold]


def forked(work: Callable[[], None]) -> int:
    """Do ``work`` in a process of its own; return the signal that ended it, 0 if none did."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture(scope="module", name="straight")
def _straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("straight")
    live(folder)
    return folder


def test_killed_at_every_statement_it_loses_nothing_and_repeats_nothing(
    tmp_path: Path, straight: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fate = Fate()
    monkeypatch.setattr(sqlite3, "connect", connecting(fate))
    counting = tmp_path / "counting"
    counting.mkdir()
    live(counting)
    statements, kills = fate.count, 0
    for fatal in range(1, statements + 1):
        folder = tmp_path / str(fatal)
        folder.mkdir()
        doomed = connecting(Fate(fatal, lambda: os.kill(os.getpid(), signal.SIGKILL)))

        def until_killed(folder: Path = folder, doomed: Any = doomed) -> None:
            monkeypatch.setattr(sqlite3, "connect", doomed)
            live(folder)

        kills += forked(until_killed) == -signal.SIGKILL
        live(folder)

        assert facts(folder) == facts(straight), fatal
        assert decided(folder) == decided(straight), fatal
    print(f"{kills} kills, one at each of {statements} statements")
    assert kills == statements > 100


def broken() -> None:
    raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize("fatal", range(1, 25))
def test_a_disk_that_fails_once_costs_nothing(
    tmp_path: Path, straight: Path, monkeypatch: pytest.MonkeyPatch, fatal: int
) -> None:
    fate = Fate()
    monkeypatch.setattr(sqlite3, "connect", connecting(fate))
    with Spool(tmp_path / "spool.db", "home") as spool:
        ledger = Ledger("home", "r", spool)
        pump = Pump(Tail(tmp_path, spool.positions, UTC, 2), ledger, TICK, (LOST,))
        fate._fatal, fate._happens = fate.count + 3 * fatal, broken
        failures = 0
        for second in SECONDS:
            write(tmp_path, second)
            for moment in (second, second + 2):
                try:
                    step(pump, moment)
                except SpoolError:
                    failures += 1
                    step(pump, moment)

    assert failures == 1
    assert facts(tmp_path) == facts(straight)
    assert decided(tmp_path) == decided(straight)


@pytest.mark.parametrize("trouble", ["PRAGMA query_only = ON", "PRAGMA max_page_count = 1"])
def test_a_disk_that_is_read_only_or_full_for_a_while_costs_nothing(
    tmp_path: Path, straight: Path, trouble: str
) -> None:
    with Spool(tmp_path / "spool.db", "home") as spool:
        ledger = Ledger("home", "r", spool)
        pump = Pump(Tail(tmp_path, spool.positions, UTC, 2), ledger, TICK, (LOST,))
        failures = 0
        for second in SECONDS:
            if second == 60:
                spool._db.execute(trouble)
            if second == 100:
                spool._db.execute("PRAGMA query_only = OFF")
                spool._db.execute("PRAGMA max_page_count = 100000")
            write(tmp_path, second)
            for moment in (second, second + 2):
                try:
                    step(pump, moment)
                except SpoolError:
                    failures += 1

    assert failures > 10
    assert facts(tmp_path) == facts(straight)
    assert decided(tmp_path) == decided(straight)
