"""The four logs of design §3 to the events of both streams, a second time and in the plainest way.

Every line gets the instant at which it counts; lines are sorted by it; the instants at which some
window opens or closes are put between them; then one walk stamps the context. No spool, no state.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import groupby, zip_longest
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from schemas.events import Context, Event, Reading, Source, Tick, Transition
from tests.naive_windows import Span, edges, is_open

STREAMS = ("transitions", "probes")
WINDOWS, CHANGES, TRANSITIONS, PROBES, ACTIVE = range(5)
LOGS = {
    "Op_window.log": WINDOWS,
    "Transition.log": TRANSITIONS,
    "probeEnergy.log": PROBES,
    "activeNotifications.log": ACTIVE,
}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FUTURE = timedelta(minutes=10)
YEAR = timedelta(days=366)
LONGEST_LINE = 64 * 1024

INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
PAIR = re.compile(r'([^\s="]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?:\s+|$)')
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)

Fields = dict[str, str]


class Entry(NamedTuple):
    """Something at an instant; sorts by instant, then log, then line.

    written: the time that its line carries.
    """

    at: datetime
    log: int
    line: int
    what: Any
    written: datetime


def read(
    directory: Path, until: datetime | None = None, device: str = "naive"
) -> dict[str, list[Event]]:
    """Return the events of ``transitions`` and ``probes``, each closed by a tick at the end.

    until: the end, if no line is later. Malformed lines are left out; a log that is not there
    is empty; a last line without its newline is not yet a line.
    """
    entries = [entry for name in LOGS for entry in _counted(directory / name, LOGS[name])]
    ends = [entry.at for entry in entries] + ([until] if until is not None else [])
    walk = _Walk(device)
    if ends:
        told = _told(_changes(entries, max(ends)), [*(entry.at for entry in entries), max(ends)])
        changes = [Entry(at, CHANGES, 0, None, at) for at in told]
        for entry in sorted([*entries, *changes], key=lambda entry: entry[:3]):
            walk.take(entry)
        walk.tick(max(ends))
    return walk.events


class _Walk:
    """What is known while going through the entries, and the events so far."""

    def __init__(self, device: str) -> None:
        self.events: dict[str, list[Event]] = {stream: [] for stream in STREAMS}
        self._device = device
        self._source: Source | None = None
        self._lines: dict[str, tuple[datetime, list[Span]]] = {}
        self._open: dict[str, bool] = {}
        self._said: tuple[Source | None, bool | None, tuple[str, ...]] = (None, None, ())

    def take(self, entry: Entry) -> None:
        at, log, line, what, written = entry
        if log == WINDOWS:
            before, spans = self._lines.get(what.source, (written, []))
            self._lines[what.source] = (written, [*spans, what] if before == written else [what])
        elif log == CHANGES:
            self._open = {name: is_open(spans, at) for name, (_, spans) in self._lines.items()}
            if self._turned():
                self._add("transitions", Context, at)
                self._add("probes", Context, at)
        elif log == TRANSITIONS:
            self._source = what["to"]
            self._add("transitions", Transition, at, line=line, **what)
            if self._turned():
                self._add("probes", Context, at)
        elif log == PROBES:
            self._add("probes", Reading, at, line=line, **what)

    def tick(self, at: datetime) -> None:
        for stream in STREAMS:
            self._add(stream, Tick, at)

    def _context(self) -> tuple[Source | None, bool | None, tuple[Source, ...]]:
        due = tuple(sorted(Source(name) for name, is_open in self._open.items() if is_open))
        in_window = None if self._source is None else self._open.get(self._source)
        return self._source, in_window, due

    def _turned(self) -> bool:
        before, self._said = self._said, self._context()
        return self._said != before

    def _add(self, stream: str, kind: Callable[..., Event], at: datetime, **what: Any) -> None:
        events = self.events[stream]
        source, in_window, due = self._context()
        events.append(
            kind(
                device=self._device,
                epoch="naive",
                seq=len(events) + 1,
                run="0",
                ts=at,
                source=source,
                in_window=in_window,
                due=due,
                online=None,
                **what,
            )
        )


def _counted(file: Path, log: int) -> list[Entry]:
    """Return the lines of ``file`` that parse, each at the instant at which it counts."""
    if not file.exists():
        return []
    lines = list[Entry]()
    for number, raw in enumerate(file.read_bytes().split(b"\n")[:-1], start=1):
        try:
            lines.append(_parsed(raw, log, number))
        except (ValueError, KeyError, OverflowError, OSError):  # OSError: tz names a folder
            continue
    entries, latest = list[Entry](), None
    for line, following in zip_longest(lines, lines[1:]):
        own = line.at
        if following is not None and own - following.at > FUTURE:
            own = following.at
        latest = own if latest is None else max(latest, own)
        entries.append(line._replace(at=latest))
    return entries


def _parsed(raw: bytes, log: int, number: int) -> Entry:
    raw = raw.rpartition(b"\0")[2]  # what a power cut left before it
    if len(raw) > LONGEST_LINE:
        raise ValueError("not a line of text")
    stamp, rest = raw.decode("utf-8").strip().split(maxsplit=1)
    at = _instant(stamp)
    return Entry(at, log, number, READERS[log](_fields(rest)), at)


def _instant(text: str) -> datetime:
    found = INSTANT.fullmatch(text)
    if found is None:
        raise ValueError("not an RFC 3339 time")
    day, clock, fraction, zone = found.groups()
    written = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '').ljust(6, '0')[:6]}")
    if zone is None or zone in "Zz":
        return written.replace(tzinfo=UTC)
    return datetime.fromisoformat(f"{written.isoformat()}{zone}").astimezone(UTC)


def _fields(text: str) -> Fields:
    fields, position = Fields(), 0
    while position < len(text):
        found = PAIR.match(text, position)
        if found is None or found[1] in fields:
            raise ValueError("not key=value pairs")
        value = found[2]
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        fields[found[1]] = value
        position = found.end()
    return fields


def _number(text: str, most: float) -> float:
    if not NUMBER.fullmatch(text) or not 0 <= float(text) <= most:
        raise ValueError("not a number in its range")
    return float(text)


def _transition(fields: Fields) -> dict[str, Any]:
    return {
        "from_": Source(fields.pop("from")),
        "to": Source(fields.pop("to")),
        "extra": fields,
    }


def _reading(fields: Fields) -> dict[str, Any]:
    battery_v, soc_pct = fields.pop("battery_v", None), fields.pop("soc_pct", None)
    return {
        "power_w": _number(fields.pop("power_w"), 1_000_000),
        "energy_wh": _number(fields.pop("energy_wh"), 1_000_000),
        "battery_v": None if battery_v is None else _number(battery_v, 1_000),
        "soc_pct": None if soc_pct is None else _number(soc_pct, 100),
        "extra": fields,
    }


def _span(fields: Fields) -> Span:
    opens = _clock(fields["from"])
    # 24:00 is the midnight that ends the day; so is 00:00, for a window that opens before it.
    closes = time(0) if fields["to"] == "24:00" else _clock(fields["to"])
    return Span(
        source=Source(fields["source"]),
        days=_days(fields["days"]),
        opens=opens,
        closes=closes,
        closes_later=int(closes <= opens),
        zone=ZoneInfo(fields.get("tz", "UTC")),
    )


def _clock(text: str) -> time:
    found = CLOCK.fullmatch(text)
    if found is None:
        raise ValueError("not a time of day")
    return time(int(found[1]), int(found[2]))


def _days(text: str) -> frozenset[int]:
    days = set[int]()
    for part in text.lower().split(","):
        first, _, last = part.partition("-")
        day, end = DAYS.index(first), DAYS.index(last or first)
        days.add(day)
        while day != end:
            day = (day + 1) % 7
            days.add(day)
    return frozenset(days)


def _active(fields: Fields) -> None:
    for key in ("id", "rule", "state", "channel", "outcome"):
        fields[key]


READERS: dict[int, Callable[[Fields], Any]] = {
    WINDOWS: _span,
    TRANSITIONS: _transition,
    PROBES: _reading,
    ACTIVE: _active,
}


def _changes(entries: list[Entry], end: datetime) -> set[datetime]:
    """Return every instant up to ``end`` at which some window may open or close."""
    lines = [entry for entry in entries if entry.log == WINDOWS]
    instants = {line.at for line in lines}
    for line in lines:
        newer = [each.at for each in lines if each.what.source == line.what.source]
        last = min([at for at in newer if at > line.at] + [end])
        instants |= {at for at in edges(line.what, line.at, last) if line.at < at <= last}
    return instants


def _told(changes: set[datetime], lines: list[datetime]) -> Iterator[datetime]:
    """Yield ``changes``; where more than a year of them lies before a line, that line's alone."""
    lines.sort()
    for line, group in groupby(sorted(changes), lambda at: lines[bisect_left(lines, at)]):
        before = list(group)
        yield from [line] if line - before[0] > YEAR else before
