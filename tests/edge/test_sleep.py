"""The loop sleeps while nothing can be done, whatever waits."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from edge import log_file
from tests.edge.logs import READINGS, append, reading_text
from tests.edge.test_service import Hours, House, interrupt


class Slept(Hours):
    """Notes how long the loop wants to sleep; it ends the loop that never sleeps."""

    def __init__(self, happens: dict[float, Callable[[], None]]) -> None:
        super().__init__(happens)
        self.slept = list[float]()
        self._looks = 0

    def monotonic(self) -> float:
        self._looks += 1
        assert self._looks < 1_000, "it does not sleep"
        return super().monotonic()

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        self.slept.append(seconds)
        await super().wait(event, seconds)


def test_a_line_that_waits_and_lags_behind_keeps_nobody_awake(tmp_path: Path) -> None:
    late = "".join(reading_text(second) for second in range(900, 905))
    clock = Slept({1014: lambda: append(tmp_path, READINGS, late), 1020: interrupt})

    House(tmp_path).run(None, clock)

    assert min(clock.slept) >= 0.25


def test_more_lines_than_may_wait_are_slept_upon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "QUEUE", 2)
    monkeypatch.setattr(log_file, "CHUNK", 100)
    burst = "".join(reading_text(second) for second in range(995, 1005))
    clock = Slept({1005: lambda: append(tmp_path, READINGS, burst), 1020: interrupt})
    house = House(tmp_path)

    house.run(None, clock)

    assert min(clock.slept) >= 0.25
    assert [second for _, kind, second in house.told() if kind == "reading"] == list(
        range(995, 1005)
    )
