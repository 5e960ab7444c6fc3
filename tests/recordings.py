"""Recordings of real changeovers, found through ``CHANGEOVER_DATA``, as the four logs of a device.

The recordings stay where they are; their ``PROVENANCE.txt`` says what every column is.
"""

import csv
import gzip
import json
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

DATA = Path(__file__).parents[2] / "shared" / "data"
HUNTING = date(2018, 4, 18)  # soon the generator hunts, up to 88 changeovers a day
EVERY = "0000", "9999"
MAINS_V = 180.0  # below that there is none


def root() -> Path:
    """Return the folder of the recordings, whether or not it is there."""
    return Path(os.environ.get("CHANGEOVER_DATA") or DATA)


def available() -> bool:
    """Return whether the recording of Studer site 1 is there."""
    return _transitions_file().is_file() and _minutes_file().is_file()


def studer_site1(directory: Path, *, days: int | None = None, start: date | None = None) -> None:
    """Write the four logs of Studer site 1 into ``directory``, which is made if need be.

    days, start: only that many days, from that day on; without it from 2018-04-18, when the
        generator soon hunts.
    The site's clock has no zone and is written as UTC; transitions are of whole minutes, two in
    one minute are in order. The window of the generator is ours, not the site's.
    """
    first, last = _bounds(days, start)
    directory.mkdir(parents=True, exist_ok=True)
    transitions = list(_transitions(first, last))
    readings = list(_readings(first, last))
    firsts = [line[:10] for line in (*transitions[:1], *readings[:1])]
    began = min(firsts, default=HUNTING.isoformat())
    window = f"{began}T00:00:00Z source=generator days=mon-sun from=17:00 to=22:00 tz=UTC\n"
    _write(directory / "Transition.log", transitions)
    _write(directory / "probeEnergy.log", readings)
    _write(directory / "Op_window.log", [window])
    _write(directory / "activeNotifications.log", [])


def _bounds(days: int | None, start: date | None) -> tuple[str, str]:
    """Return the first day and the day after the last, as text that sorts."""
    if days is None:
        return (EVERY[0] if start is None else start.isoformat()), EVERY[1]
    first = start or HUNTING
    return first.isoformat(), (first + timedelta(days=days)).isoformat()


def _transitions_file() -> Path:
    return root() / "studer-site1" / "site1_transitions.csv"


def _minutes_file() -> Path:
    return root() / "studer-site1" / "site1_minute_2018.csv.gz"


def _transitions(first: str, last: str) -> Iterator[str]:
    with _transitions_file().open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if first <= row["time"] < last:
                yield f"{row['time']}:00Z from={row['from']} to={row['to']}\n"


def _readings(first: str, last: str) -> Iterator[str]:
    with gzip.open(_minutes_file(), "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if first <= row["time"] < last and row["pout_kw"]:
                yield _reading(row)


def _reading(row: dict[str, str]) -> str:
    power_w = max(0.0, float(row["pout_kw"]) * 1000)
    line = f"{row['time']}:00Z power_w={power_w:.0f} energy_wh={power_w / 60:.3f}"
    if row["bsp_ubat_v"]:
        line += f" battery_v={row['bsp_ubat_v']}"
    if row["bsp_soc_pct"]:
        line += f" soc_pct={row['bsp_soc_pct']}"
    return line + "\n"


def _write(file: Path, lines: list[str]) -> None:
    file.write_text("".join(lines), encoding="utf-8")


def kyiv(directory: Path) -> None:
    """Write two weeks of one home in Kyiv: its outages, and what was planned, window by window.

    Each day's plan is written at its midnight; a window of the grid is when power was planned.
    """
    directory.mkdir(parents=True, exist_ok=True)
    transitions = []
    with (root() / "kyiv-flash-monitor" / "transitions_merged.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            moves = "from=inverter to=grid" if row["event"] == "up" else "from=grid to=inverter"
            transitions.append(f"{row['time_utc']} {moves}\n")
    _write(directory / "Transition.log", transitions)
    schedules = root() / "kyiv-flash-monitor" / "schedule_history_70cdb80.json"
    days = json.loads(schedules.read_text(encoding="utf-8"))
    _write(directory / "Op_window.log", [
        line for day in sorted(days) for line in _planned(date.fromisoformat(day), days[day])
    ])  # fmt: skip


def _planned(day: date, slots: list[bool]) -> Iterator[str]:
    """Yield the windows of one day; ``slots``: of half an hour each, from its midnight."""
    midnight = datetime.combine(day, time(), ZoneInfo("Europe/Kyiv")).astimezone(UTC)
    name = day.strftime("%a").lower()
    begin = None
    for number, on in enumerate([*slots[:48], False]):
        if on and begin is None:
            begin = number
        elif not on and begin is not None:
            span = f"from={_clock(begin)} to={_clock(number)}"
            yield f"{midnight:%Y-%m-%dT%H:%M:%SZ} source=grid days={name} {span} tz=Europe/Kyiv\n"
            begin = None


def _clock(slot: int) -> str:
    return f"{slot // 2:02}:{slot % 2 * 30:02}"


def voltronic(directory: Path) -> None:
    """Write three days of one inverter that was asked every 10 s: its load, and its source."""
    directory.mkdir(parents=True, exist_ok=True)
    transitions, readings, source, last = [], [], "", None
    for file in sorted((root() / "voltronic-watchpower").glob("*.log")):
        for at, fields in _asked(file):
            now = "grid" if fields[16].endswith("1") or float(fields[0]) > MAINS_V else "inverter"
            if now != source:
                transitions.append(f"{at} from={source or now} to={now}\n")
                source = now
            seconds = 10 if last is None else min(60, (_instant(at) - last).total_seconds())
            last, watts = _instant(at), int(fields[5])
            energy = watts * max(0, seconds) / 3_600
            line = f"{at} power_w={watts} energy_wh={energy:.3f} battery_v={fields[8]}"
            readings.append(f"{line} soc_pct={int(fields[10])}\n")
    _write(directory / "Transition.log", transitions)
    _write(directory / "probeEnergy.log", readings)


def _asked(file: Path) -> Iterator[tuple[str, list[str]]]:
    for line in file.read_text(encoding="latin-1").splitlines():
        stamp, _, answer = line.partition("](")
        fields = answer.split()
        if len(fields) > 20 and len(stamp) == 20:
            yield f"{stamp[1:11]}T{stamp[12:]}Z", fields


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
