"""The naïve reader of logs itself, with instants worked out by hand."""

from datetime import UTC, datetime
from pathlib import Path

from schemas.events import Tick
from tests import naive_logs
from tests.test_naive import at


def test_logs_become_the_events_of_both_streams(tmp_path: Path) -> None:
    logs = {
        "Op_window.log": "2024-01-01T00:00:00Z source=generator days=mon from=18:00 to=19:00"
        " tz=Africa/Lagos\n",
        "Transition.log": "2024-01-01T17:30:00Z from=grid to=generator\nnonsense\n"
        "2024-01-01T19:00:00+01:00 from=generator to=inverter\n",
        "probeEnergy.log": "2024-01-01T18:00:00Z power_w=412 energy_wh=1.1 note='a'\n"
        '2024-01-01T17:59:00Z power_w=1e1 energy_wh=2 note="a b"\n'
        "2024-01-01T18:00:02Z power_w=-1 energy_wh=2\n",
        "activeNotifications.log": "2024-01-01T20:00:00Z id=a rule=b state=c channel=d outcome=e\n",
    }
    for name, text in logs.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    streams = naive_logs.read(tmp_path, None)

    def told(stream: str) -> list[tuple[str, str, str | None, bool | None, tuple[str, ...]]]:
        return [
            (type(each).__name__, f"{each.ts:%H:%M}", each.source, each.in_window, each.due)
            for each in streams[stream]
        ]

    assert told("transitions") == [
        ("Context", "17:00", None, None, ("generator",)),
        ("Transition", "17:30", "generator", True, ("generator",)),
        ("Context", "18:00", "generator", False, ()),
        ("Transition", "18:00", "inverter", None, ()),
        ("Tick", "20:00", "inverter", None, ()),
    ]
    assert told("probes") == [
        ("Context", "17:00", None, None, ("generator",)),
        ("Context", "17:30", "generator", True, ("generator",)),
        ("Context", "18:00", "generator", False, ()),
        ("Context", "18:00", "inverter", None, ()),
        ("Reading", "18:00", "inverter", None, ()),
        ("Reading", "18:00", "inverter", None, ()),
        ("Tick", "20:00", "inverter", None, ()),
    ]


def test_windows_cross_midnight_and_those_of_one_instant_hold_together(tmp_path: Path) -> None:
    windows = [
        "2024-01-01T10:00:00Z source=grid days=mon-sun from=00:00 to=00:00 tz=UTC",
        "2024-01-01T12:00:00Z source=grid days=mon,wed from=22:00 to=02:00 tz=UTC",
        "2024-01-01T12:00:00Z source=grid days=tue from=20:00 to=24:00 tz=UTC",
    ]
    (tmp_path / "Op_window.log").write_text("\n".join([*windows, ""]), encoding="utf-8")

    events = naive_logs.read(tmp_path, datetime(2024, 1, 4, 12, tzinfo=UTC))["transitions"]

    assert [(f"{each.ts:%d %H}", len(each.due)) for each in events] == [
        ("01 10", 1),
        ("01 12", 0),
        ("01 22", 1),
        ("02 02", 0),
        ("02 20", 1),
        ("03 00", 0),
        ("03 22", 1),
        ("04 02", 0),
        ("04 12", 0),
    ]


def test_empty_logs_and_no_logs_are_only_the_end(tmp_path: Path) -> None:
    (tmp_path / "Transition.log").touch()

    assert naive_logs.read(tmp_path, None) == {"transitions": [], "probes": []}
    assert [type(each) for each in naive_logs.read(tmp_path, at(0))["probes"]] == [Tick]


def test_a_line_from_the_future_counts_at_the_one_after_it(tmp_path: Path) -> None:
    lines = [f"2024-01-01T{clock}Z from=grid to=inverter" for clock in ("12:00:00", "15:00:00")]
    lines += [f"2024-01-01T{clock}Z from=inverter to=grid" for clock in ("12:05:00", "12:04:00")]
    (tmp_path / "Transition.log").write_text("\n".join([*lines, ""]), encoding="utf-8")

    events = naive_logs.read(tmp_path, None)["transitions"]

    assert [f"{each.ts:%H:%M}" for each in events] == ["12:00", "12:05", "12:05", "12:05", "12:05"]
