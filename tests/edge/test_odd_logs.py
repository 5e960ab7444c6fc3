"""Logs as wrong clocks and power cuts leave them: three ways to read them agree."""

from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.cli.decide import Replay
from edge import log_file
from edge.spool import Spool
from schemas.codec import encode
from tables.rules import default
from tests import naive, naive_logs
from tests.edge.benches import Bench
from tests.edge.logs import (
    READINGS,
    TRANSITIONS,
    WINDOWS,
    reading_text,
    records,
    stamp,
    transition_text,
    without_run,
)


def window_text(second: float, from_: str, to: str) -> str:
    return f"{stamp(second)} source=generator days=mon-sun from={from_} to={to}\n"


BEHIND, AGES = -9_000_000, 9_000_000
ODD = {
    "NUL bytes before lines": {
        TRANSITIONS: transition_text(1, "grid") + "\0" * 99 + transition_text(60, "none"),
        READINGS: "2026-01-0\0\0" + reading_text(400) + "\0rubbish\n" + reading_text(500),
    },
    "windows written by a clock that is behind": {
        WINDOWS: window_text(5, "00:01", "00:09")
        + window_text(BEHIND, "00:02", "00:03")
        + window_text(BEHIND, "00:05", "00:07")
        + window_text(BEHIND + 60, "00:04", "00:08"),
        TRANSITIONS: transition_text(30, "generator") + transition_text(900, "grid"),
    },
    "a window line of a clock that was never set": {
        WINDOWS: "1970-01-01T00:00:12Z source=generator days=mon-sun from=00:02 to=00:06\n",
        TRANSITIONS: transition_text(150, "generator") + transition_text(900, "grid"),
        READINGS: reading_text(200),
    },
    "a device that was off for less than a year": {
        WINDOWS: window_text(0, "00:02", "00:06"),
        TRANSITIONS: transition_text(1, "generator") + transition_text(300 * 86_400, "grid"),
    },
    "lines of the far future": {
        TRANSITIONS: transition_text(1, "grid")
        + transition_text(AGES, "inverter")
        + "rubbish\n"
        + transition_text(20, "none")
        + transition_text(AGES, "grid")
        + transition_text(AGES, "none")
        + transition_text(400, "grid"),
        READINGS: "".join(reading_text(AGES if n % 7 == 0 else n) for n in range(5, 600)),
    },
    "a line of the far future at the end": {
        TRANSITIONS: transition_text(1, "grid") + transition_text(900_000, "none"),
        READINGS: reading_text(20),
    },
}

odd = pytest.mark.parametrize("logs", ODD.values(), ids=ODD)


def write(folder: Path, logs: dict[str, str]) -> None:
    for log, text in logs.items():
        (folder / log).write_text(text)


def without_numbers(stream: str, record: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    kept = without_run(record)
    return stream, {
        name: value for name, value in kept.items() if name not in {"device", "backlog"}
    }


@odd
@pytest.mark.parametrize("room", [200, 3])
def test_the_edge_tells_what_the_plain_reader_finds(
    tmp_path: Path, logs: dict[str, str], room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "QUEUE", room)
    monkeypatch.setattr(log_file, "CHUNK", 60 * room)
    write(tmp_path, logs)
    with Spool(tmp_path / "spool.db", "home") as spool:
        bench = Bench(tmp_path, spool)
        bench.pump.tail.look(0)
        while bench.pump.drain():
            pass
        bench.pump.close(None)
        told = [without_numbers(*each) for each in records(spool)]

    for stream, events in naive_logs.read(tmp_path).items():
        expected = [without_numbers(stream, msgspec.json.decode(encode(each))) for each in events]
        assert [each for each in told if each[0] == stream] == expected


@odd
def test_decide_decides_what_the_plain_reader_does(tmp_path: Path, logs: dict[str, str]) -> None:
    write(tmp_path, logs)
    events = naive_logs.read(tmp_path, None, "home")
    both = (naive.decisions(default(), "home", each, events[each]) for each in events)
    expected = sorted(chain.from_iterable(both), key=lambda each: (each.at, each.rule))

    assert Replay(tmp_path, "home").decisions(default()) == expected
