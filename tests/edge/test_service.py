"""The loop around the pump, with a clock and a broker of the test's own."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.clock import Clock, Reading
from edge.config import ConfigError
from edge.ledger import Ledger
from edge.service import Once, Shipping, Summary, run
from edge.spool import CorruptError, Spool, SpoolError
from tests.edge.logs import (
    READINGS,
    TRANSITIONS,
    append,
    at,
    config,
    reading_text,
    transition_text,
    write_many,
)


class Hours(Clock):
    """Time passes only when somebody sleeps; at some moments something happens."""

    def __init__(self, happens: dict[float, Callable[[], None]] | None = None) -> None:
        self.second = 1000.0
        self._happens = happens or {}

    def read(self) -> Reading:
        return Reading(self.second, at(self.second), synchronised=True)

    def monotonic(self) -> float:
        return self.second

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        self.second += min(seconds, 0.25)
        for moment in [moment for moment in self._happens if moment <= self.second]:
            self._happens.pop(moment)()
        await asyncio.sleep(0)


class Broker(Shipping):
    """Takes every row at once, or none when it is ``down``."""

    def __init__(self, ledger: Ledger, *, down: bool = False) -> None:
        self.shipped = 0
        self._wake = asyncio.Event()
        self.trouble = "nobody answers" if down else ""
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self._spool = ledger.spool
        self.acknowledged = self.failed = lambda: None
        self._down = down

    def wake(self) -> None:
        self._wake.set()

    def withdrawn(self) -> AbstractAsyncContextManager[None]:
        raise AssertionError("nothing is claimed here")

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            for row in () if self._down else self._spool.read(10_000):
                self.rows.append((row.topic, msgspec.json.decode(row.value)))
                self._spool.acknowledge(row.topic, row.id)
                self.shipped += 1


class House:
    """An edge over a folder, with the test's broker and clock."""

    def __init__(self, folder: Path, *, down: bool = False) -> None:
        self.config = config(folder)
        self.broker: Broker | None = None
        self._down = down

    def run(self, once: Once | None, clock: Clock) -> Summary:
        def shipping(ledger: Ledger) -> Broker:
            self.broker = Broker(ledger, down=self._down)
            return self.broker

        return asyncio.run(run(self.config, once, clock=clock, shipping=shipping))

    def told(self) -> list[tuple[str, str, float]]:
        assert self.broker is not None
        return [
            (topic, record["type"], (datetime.fromisoformat(record["ts"]) - at(0)).total_seconds())
            for topic, record in self.broker.rows
        ]


def interrupt() -> None:
    import os  # noqa: PLC0415
    import signal  # noqa: PLC0415

    os.kill(os.getpid(), signal.SIGTERM)


def test_live_it_ships_lines_and_ticks_until_it_is_told_to_stop(tmp_path: Path) -> None:
    house = House(tmp_path)
    clock = Hours(
        {
            1005: lambda: append(tmp_path, TRANSITIONS, transition_text(1005, "none")),
            1020: interrupt,
        }
    )

    summary = house.run(None, clock)

    assert house.told() == [
        ("transitions", "tick", 998),
        ("probes", "tick", 998),
        ("transitions", "transition", 1005),
        ("probes", "context", 1005),
    ]
    assert (summary.complete, summary.waiting, summary.shipped) == (True, 0, 4)


def test_a_clock_that_was_kept_and_cannot_be_read_is_damage_of_the_spool(tmp_path: Path) -> None:
    house = House(tmp_path)
    with Spool(house.config.spool, "home") as spool:
        spool.commit([], {}, {"stream_clock": b"{}"})
    with pytest.raises(CorruptError):
        house.run(None, Hours())
    house.run(None, Hours({1005: interrupt}))

    assert (tmp_path / "spool.db.damaged-1").exists()


def test_once_reads_to_the_end_closes_and_ships(tmp_path: Path) -> None:
    append(tmp_path, READINGS, reading_text(5) + "unfinished")
    house = House(tmp_path)

    summary = house.run(Once(at(60)), Hours())

    assert house.told() == [
        ("probes", "reading", 5),
        ("transitions", "tick", 60),
        ("probes", "tick", 60),
    ]
    assert (summary.lines, summary.closed_at, summary.complete) == (1, at(60), True)
    assert summary.unfinished == {READINGS: 10}


def test_once_without_an_instant_closes_at_the_latest_of_any_log(tmp_path: Path) -> None:
    write_many(tmp_path, 100)

    summary = House(tmp_path).run(Once(), Hours())

    assert (summary.closed_at, summary.malformed, summary.lines) == (at(990), 2, 118)
    assert sum(summary.spooled.values()) == summary.shipped


def test_once_believes_no_last_line_that_is_far_ahead_of_the_clock(tmp_path: Path) -> None:
    append(tmp_path, READINGS, reading_text(5) + reading_text(9_000))
    house = House(tmp_path)
    first = house.run(Once(), Hours())
    append(tmp_path, READINGS, reading_text(1_001))
    house.run(Once(), Hours())

    assert first.closed_at == at(1_000)
    assert house.told()[0] == ("probes", "reading", 1_001)


def test_once_gives_up_on_a_broker_that_takes_nothing(tmp_path: Path) -> None:
    append(tmp_path, READINGS, reading_text(5))
    clock = Hours()

    summary = House(tmp_path, down=True).run(Once(), clock)

    assert (summary.complete, summary.waiting, summary.trouble) == (False, 3, "nobody answers")
    assert 1060 <= clock.second <= 1061


def test_what_was_not_shipped_is_shipped_the_next_time(tmp_path: Path) -> None:
    append(tmp_path, READINGS, reading_text(5))
    House(tmp_path, down=True).run(Once(), Hours())
    again = House(tmp_path)

    summary = again.run(Once(), Hours())

    assert summary.complete
    assert again.told()[0] == ("probes", "reading", 5)
    assert [kind for _, kind, _ in again.told()].count("reading") == 1


def test_what_goes_wrong_with_the_spool_ends_it(tmp_path: Path) -> None:
    class Broken(Broker):
        async def run(self) -> None:
            raise SpoolError("the disk is full")

    edge = run(config(tmp_path), clock=Hours(), shipping=Broken)

    with pytest.raises(SpoolError, match="the disk is full"):
        asyncio.run(edge)


@pytest.mark.parametrize("replaced", [False, True])
def test_a_spool_that_is_gone_ends_it_and_the_next_start_goes_on(
    tmp_path: Path, replaced: bool
) -> None:
    edge = config(tmp_path)

    def happens() -> None:
        edge.spool.unlink()
        if replaced:
            edge.spool.write_text("another")
        append(tmp_path, READINGS, reading_text(5))

    with pytest.raises(SpoolError, match="while it was in use"):
        asyncio.run(run(edge, clock=Hours({1010.0: happens, 1200.0: interrupt}), shipping=Broker))
    again = asyncio.run(run(edge, Once(), clock=Hours(), shipping=Broker))

    assert again.lines == 1


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    missing = msgspec.structs.replace(config(tmp_path), logs=tmp_path / "none")

    with pytest.raises(ConfigError, match="there is no folder"):
        asyncio.run(run(missing))


class Boot(Hours):
    """One boot of a machine, whose clock says ``begun`` at its start, from ``second`` on."""

    def __init__(self, second: float, ends: float, begun: datetime, *, right: bool) -> None:
        super().__init__({ends: interrupt})
        self.second, self._begun, self._right = second, begun, right

    def read(self) -> Reading:
        wall = self._begun + timedelta(seconds=self.second)
        return Reading(self.second, wall, self._right, "one")


def test_a_clock_set_while_it_was_down_is_told_once_from_its_first_stamp(tmp_path: Path) -> None:
    epoch, house = datetime(1970, 1, 1, tzinfo=UTC), House(tmp_path)
    boots = [
        Boot(9, 40, epoch, right=False),
        Boot(70, 90, at(0), right=True),
        Boot(120, 140, at(0), right=True),
    ]
    told = list[list[tuple[str, str]]]()
    for boot in boots:
        house.run(None, boot)
        assert house.broker is not None
        clocks = [record for _, record in house.broker.rows if record["type"] == "clock"]
        told.append([(record["from"], record["is"]) for record in clocks])

    assert told == [[], [("1970-01-01T00:00:09Z", "2026-01-05T00:01:08Z")] * 2, []]
