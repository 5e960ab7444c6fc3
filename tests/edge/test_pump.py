"""From lines to the spool and through time, step by step, without a clock."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge import log_file
from edge.spool import Spool
from tests.edge.benches import LOST, Bench, second_of
from tests.edge.logs import (
    READINGS,
    TRANSITIONS,
    WINDOWS,
    append,
    at,
    environment,
    reading_text,
    records,
    stamp,
    transition_text,
    write_many,
)


@pytest.fixture
def spool(tmp_path: Path) -> Any:
    with Spool(tmp_path / "spool.db", "home") as spool:
        yield spool


def test_a_quiet_device_ticks_and_more_often_for_an_hour_after_an_event_or_a_start(
    tmp_path: Path, spool: Spool
) -> None:
    bench = Bench(tmp_path, spool)
    seen = [bench.step(second) for second in (100, 114, 115)]
    append(tmp_path, TRANSITIONS, transition_text(161, "none"))
    bench.step(161)
    seen += [bench.step(second) for second in (163, 177, 178, 4_000, 4_059, 4_060)]

    assert seen == [
        [("transitions", "tick", 98), ("probes", "tick", 98)],
        [],
        [("transitions", "tick", 113), ("probes", "tick", 113)],
        [("transitions", "transition", 161), ("probes", "context", 161)],
        [],
        [("transitions", "tick", 176), ("probes", "tick", 176)],
        [("transitions", "tick", 3_998), ("probes", "tick", 3_998)],
        [],
        [("transitions", "tick", 4_058), ("probes", "tick", 4_058)],
    ]


def test_a_tick_falls_on_each_deadline_of_its_own_rules(tmp_path: Path, spool: Spool) -> None:
    bench = Bench(tmp_path, spool, LOST)
    seen = [bench.step(100)]
    append(tmp_path, TRANSITIONS, transition_text(103, "none"))
    seen += [bench.step(second) for second in (103, 105, 114.9, 115)]

    assert seen == [
        [("transitions", "policy", 98), ("probes", "policy", 98)],
        [],
        [("transitions", "transition", 103), ("probes", "context", 103)],
        [],
        [("transitions", "tick", 113)],
    ]
    (untold,) = bench.ledger.handing.untold
    assert (untold.decision.rule, untold.decision.at, untold.seq) == ("lost", at(113), 3)


def test_a_stream_ticks_only_when_it_had_no_event(tmp_path: Path, spool: Spool) -> None:
    bench = Bench(tmp_path, spool)
    bench.step(100)
    append(tmp_path, READINGS, reading_text(105))
    bench.step(105)

    seen = [bench.step(second) for second in (107, 115)]

    assert seen == [[("probes", "reading", 105)], [("transitions", "tick", 113)]]


def test_time_stays_behind_a_line_that_waits(tmp_path: Path, spool: Spool) -> None:
    bench = Bench(tmp_path, spool)
    bench.step(100)
    append(tmp_path, TRANSITIONS, transition_text(110, "none"))
    bench.step(114)

    seen = [bench.step(115), bench.step(116)]

    assert seen == [
        [],
        [("transitions", "transition", 110), ("probes", "context", 110)],
    ]


def test_a_line_of_the_future_holds_ticks_back(tmp_path: Path, spool: Spool) -> None:
    bench = Bench(tmp_path, spool)
    append(tmp_path, READINGS, reading_text(200))
    bench.step(100)
    bench.step(102)

    seen = [bench.step(second) for second in (180, 216, 217)]

    assert seen == [
        [("transitions", "tick", 178)],
        [("transitions", "tick", 214)],
        [("probes", "tick", 215)],
    ]


def test_a_window_opens_when_its_time_has_passed(tmp_path: Path, spool: Spool) -> None:
    bench = Bench(tmp_path, spool)
    windows = f"{stamp(0)} source=generator days=mon from=00:02 to=24:00\n"
    append(tmp_path, WINDOWS, windows)
    bench.step(110)
    bench.step(112)

    seen = [bench.step(121.9), bench.step(122)]

    assert seen == [[], [("transitions", "context", 120), ("probes", "context", 120)]]


def test_a_log_that_is_behind_stops_time(
    tmp_path: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "QUEUE", 1)
    monkeypatch.setattr(log_file, "CHUNK", 10)
    append(tmp_path, READINGS, reading_text(1) + reading_text(2))
    bench = Bench(tmp_path, spool)

    seen = [bench.step(100), bench.step(102), bench.step(102)]

    assert [[kind for _, kind, _ in step] for step in seen] == [
        [],
        ["reading"],
        ["reading", "tick", "tick"],
    ]


def marked(spool: Spool) -> list[tuple[int, bool, bool]]:
    """Return line, backlog and future of each reading."""
    return [
        (record["line"], record.get("backlog", False), record.get("future", False))
        for _, record in records(spool)
        if record["type"] == "reading"
    ]


def test_what_stood_there_before_is_backlog_also_after_a_restart(
    tmp_path: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "QUEUE", 2)
    monkeypatch.setattr(log_file, "CHUNK", 60)
    append(tmp_path, READINGS, "".join(reading_text(second) for second in range(5)))
    first = Bench(tmp_path, spool)
    first.pump.tail.look(0)
    first.pump.drain()
    append(tmp_path, READINGS, reading_text(6))
    again = Bench(tmp_path, spool)
    again.pump.tail.look(0)
    while again.pump.drain():
        pass

    assert marked(spool) == [(n, n <= 5, False) for n in range(1, 7)]


def test_a_line_of_the_far_future_counts_now(tmp_path: Path, spool: Spool) -> None:
    bench = Bench(tmp_path, spool)
    bench.step(100)
    append(tmp_path, READINGS, reading_text(9_000) + reading_text(104))
    bench.step(104)
    seen = bench.step(106)

    assert seen == [("probes", "reading", 102), ("probes", "reading", 104)]
    assert marked(spool) == [(1, False, True), (2, False, False)]


def test_malformed_lines_name_file_and_line(tmp_path: Path, spool: Spool) -> None:
    append(tmp_path, TRANSITIONS, transition_text(1, "none") + "rubbish\n")
    bench = Bench(tmp_path, spool)
    bench.pump.tail.look(0)
    bench.pump.drain()

    (found,) = [record for topic, record in records(spool) if topic == "malformed"]

    assert found == {
        "type": "malformed",
        "v": 1,
        "device": "home",
        "origin": "Transition.log:2",
        "reason": "rubbish is not a time, as in 2019-11-02T14:03:21+01:00",
        "text": "rubbish",
        "base64": None,
    }


def test_closing_ticks_both_streams_at_the_latest_instant(tmp_path: Path, spool: Spool) -> None:
    append(tmp_path, READINGS, reading_text(50))
    bench = Bench(tmp_path, spool)
    bench.pump.tail.look(0)
    bench.pump.drain()

    closed = [bench.pump.close(until) for until in (None, at(40), at(60))]

    assert closed == [at(50), at(50), at(60)]
    ticks = [second_of(record) for _, record in records(spool) if record["type"] == "tick"]
    assert ticks == [50, 50, 50, 50, 60, 60]


def test_closing_nothing_tells_nothing(tmp_path: Path, spool: Spool) -> None:
    assert Bench(tmp_path, spool).pump.close(None) is None
    assert records(spool) == []


CHILD = """
import sys
from datetime import UTC, timedelta
from pathlib import Path
from edge import log_file
from edge.ledger import Ledger
from edge.pump import Pump
from edge.spool import Spool
from edge.tail import Tail

log_file.QUEUE, log_file.CHUNK = 20, 2_000
folder = Path(sys.argv[1])
spool = Spool(folder / "spool.db", "home")
tail = Tail(folder, spool.positions, UTC, 2)
pump = Pump(tail, Ledger("home", "r", spool), timedelta(seconds=15))
pump.tail.look(0)
print("ready", flush=True)
while pump.drain():
    print("step", flush=True)
print("done", flush=True)
"""


def pumped(folder: Path, steps: int | None) -> bool:
    """Pump in a process of its own, killed after ``steps``; return whether it was done before."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as child:
        assert child.stdout is not None
        for count, line in enumerate(child.stdout):
            if line == "done\n":
                return True
            if count == steps:
                child.kill()
    return False


def test_killed_again_and_again_it_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    for folder in (straight, killed):
        folder.mkdir()
        write_many(folder, 1500)
    assert pumped(straight, None)

    kills = 0
    while not pumped(killed, 3 + kills):
        kills += 1

    assert kills > 3
    with Spool(straight / "spool.db", "home") as one, Spool(killed / "spool.db", "home") as other:
        assert records(other) == records(one)
        assert one.waiting > 1500
