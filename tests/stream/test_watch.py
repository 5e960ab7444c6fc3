"""What ends a worker: a loop that stood still, a partition that does, topics that do not fit."""

import asyncio
import os
from typing import Any, NoReturn

import msgspec
import pytest

from app import kafka as kafka_reading
from app.broker.ports import free_port
from app.stream import apps
from app.stream.watch import EXIT_CONFIG, EXIT_UNFINISHED, STUCK_S, Progress, Pulse


class EndedError(Exception):
    """The process would have ended here."""


class Clock:
    """Seconds that pass when a test says so."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the codes with which the process ended."""
    codes = list[int]()

    def leave(code: int) -> NoReturn:
        codes.append(code)
        raise EndedError

    monkeypatch.setattr(os, "_exit", leave)
    return codes


def beat(pulse: Pulse) -> None:
    async def once() -> None:
        beating = asyncio.create_task(pulse.run())
        await asyncio.sleep(0)
        beating.cancel()

    asyncio.run(once())


def test_a_loop_that_stood_still_ends_before_it_sends(ended: list[int]) -> None:
    clock = Clock()
    pulse = Pulse(5, clock)
    pulse.check()
    beat(pulse)
    clock.now_s += 5
    pulse.check()
    clock.now_s += 0.1

    with pytest.raises(EndedError):
        pulse.check()
    assert ended == [EXIT_UNFINISHED]


def test_a_loop_that_beats_goes_on(ended: list[int]) -> None:
    clock = Clock()
    pulse = Pulse(5, clock)
    for _ in range(10):
        beat(pulse)
        clock.now_s += 4
        pulse.check()

    assert ended == []


def look(progress: Progress, *looks: tuple[float, int | None, int]) -> list[str | None]:
    seen = list[str | None]()
    for now_s, handled, end in looks:
        if handled is not None:
            progress.handled["p"] = handled
        seen.append(progress.stuck({"p": end}, now_s))
    return seen


def test_a_partition_that_stands_still_while_its_end_moves_on_is_stuck() -> None:
    seen = look(Progress(), (0, 9, 20), (STUCK_S, 9, 30), (STUCK_S + 1, 9, 30))

    assert seen == [None, None, "p"]


def test_a_partition_of_which_nothing_was_ever_handled_is_stuck_too() -> None:
    assert look(Progress(), (0, None, 5), (STUCK_S + 1, None, 6)) == [None, "p"]


def test_a_partition_in_which_nothing_happens_is_not_stuck() -> None:
    assert look(Progress(), (0, None, 5), (9_999, None, 5)) == [None, None]
    assert look(Progress(), (0, 4, 9), (500, 4, 9), (510, 4, 12)) == [None] * 3
    assert look(Progress(), (0, 4, 5), (9_999, 4, 5), (10_009, 4, 6)) == [None, None, None]


def test_a_partition_that_moves_is_not_stuck() -> None:
    assert look(Progress(), (0, 1, 50), (100, 2, 60), (200, 3, 70), (300, 4, 80)) == [None] * 4


def test_a_marker_at_the_end_is_nobodys_lag() -> None:
    assert look(Progress(), (0, 4, 6), (9_999, 4, 6)) == [None, None]


def test_a_partition_that_was_given_up_is_forgotten() -> None:
    progress = Progress()
    look(progress, (0, 9, 20))
    progress.stuck({}, 10)

    assert look(progress, (STUCK_S + 1, 9, 30)) == [None]


@pytest.mark.kafka
def test_topics_with_another_count_are_refused(
    kafka: str,
    ended: list[int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fitting = msgspec.structs.replace(apps.SETTINGS, bootstrap=kafka, partitions=4)
    monkeypatch.setattr(apps, "SETTINGS", fitting)
    asyncio.run(apps.check_topics())
    monkeypatch.setattr(apps, "SETTINGS", msgspec.structs.replace(fitting, partitions=8))

    with pytest.raises(EndedError):
        asyncio.run(apps.check_topics())
    assert ended == [EXIT_CONFIG]
    assert "set CHANGEOVER_PARTITIONS=4" in capsys.readouterr().out


def test_topics_that_are_not_there_are_refused(
    ended: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def none(_: str) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(kafka_reading, "partition_counts", none)
    with pytest.raises(EndedError):
        asyncio.run(apps.check_topics())
    assert ended == [EXIT_CONFIG]
    assert "run `changeover up` once" in capsys.readouterr().out


def test_without_a_broker_a_worker_says_so_and_ends(
    ended: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = msgspec.structs.replace(apps.SETTINGS, bootstrap=f"127.0.0.1:{free_port()}")
    monkeypatch.setattr(apps, "SETTINGS", nowhere)

    with pytest.raises(EndedError):
        asyncio.run(apps.check_topics())
    assert ended == [EXIT_UNFINISHED]
    assert "no Kafka answers at" in capsys.readouterr().out
