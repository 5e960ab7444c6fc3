"""One line of a log to a typed fact, or the reason why it is none. Pure, never raises.

A line is an RFC 3339 time, then ``key=value`` pairs; values with spaces stand in double quotes,
where ``\\"`` and ``\\\\`` are a quote and a backslash.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import ClassVar

import msgspec

from edge.windows import Opening, schedule_of
from schemas.events import Source

Pairs = dict[str, str]

TRANSITION_LOG = "Transition.log"
READING_LOG = "probeEnergy.log"
WINDOW_LOG = "Op_window.log"
ACTIVE_LOG = "activeNotifications.log"

SOURCES = {source.value: source for source in Source}
TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
PAIR = re.compile(r'([^\s="]+)=(?:"((?:[^"\\]|\\["\\])*)"|([^\s"]*))(?:\s+|$)', re.ASCII)
SPACES = re.compile(r"\s+", re.ASCII)
ESCAPED = re.compile(r'\\(["\\])')
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
YEARS = (1970, 2999)  # beyond them no clock is right, and deadlines would overflow
SHOWN = 60
LONGEST_LINE = 65_536
KEPT = 524_288  # of one line: a fact may stand behind the NUL bytes of a power cut
TOLD = LONGEST_LINE + 1  # of one that is malformed: more than can be read, and little to ship
BYTE_ORDER_MARK = "\ufeff"  # some editors begin a file with it; it says nothing


class Bad(msgspec.Struct, frozen=True):
    """A line that is no fact. reason: a sentence a person understands."""

    reason: str


class Line(msgspec.Struct, frozen=True):
    """A fact that stood in a log.

    line: its number there, from 1. at: its own time, UTC. extra: the keys nothing here knows.
    rank: which goes first at one instant; openings and closings have rank 1.
    """

    log: ClassVar[str] = ""
    rank: ClassVar[int] = 0

    line: int
    at: datetime
    extra: Pairs


class WindowLine(Line, frozen=True):
    """A source is meant to run in this window."""

    log: ClassVar[str] = WINDOW_LOG
    rank: ClassVar[int] = 0

    opening: Opening


class TransitionLine(Line, frozen=True):
    """The load moved from one source to another."""

    log: ClassVar[str] = TRANSITION_LOG
    rank: ClassVar[int] = 2

    from_: Source
    to: Source


class ReadingLine(Line, frozen=True):
    """Power drained from the inverter now, and energy since the reading before."""

    log: ClassVar[str] = READING_LOG
    rank: ClassVar[int] = 3

    power_w: float
    energy_wh: float
    battery_v: float | None
    soc_pct: float | None


class ActiveLine(Line, frozen=True):
    """What the device itself told."""

    log: ClassVar[str] = ACTIVE_LOG
    rank: ClassVar[int] = 4

    id: str
    rule: str
    state: str
    channel: str
    outcome: str


ParsedLine = WindowLine | TransitionLine | ReadingLine | ActiveLine


def parsed(
    log: str, number: int, raw: bytes, tz: tzinfo = UTC
) -> list[tuple[ParsedLine | Bad, bytes]]:
    """Return what stands in the line ``raw``, each with its bytes: one, or none if it is blank.

    Two, of one number, where NUL bytes stand before a fact: some file systems leave them after a
    power cut, and what is written next follows without a line end. They are malformed, with all
    before them, and count as a line of their own; so nothing is left out and nothing told twice.
    """
    item = parse(log, number, raw, tz)
    if isinstance(item, Bad) and b"\0" in raw and len(raw) < KEPT:
        start = raw.rindex(b"\0") + 1
        fact = parse(log, number, raw[start:], tz)
        if isinstance(fact, Line):
            return [(Bad("the line begins with NUL bytes"), raw[:start]), (fact, raw[start:])]
    return [] if item is None else [(item, raw)]


def parse(log: str, number: int, raw: bytes, tz: tzinfo = UTC) -> ParsedLine | Bad | None:
    """Return the fact in ``raw``, or why it is none; None when the line is blank.

    log: one of LOGS. raw: one line; its line end may be missing. Before the first line of a file
    there may be a byte order mark.
    tz: the zone of times that name none.
    """
    if len(raw) > LONGEST_LINE:
        return Bad(f"the line is {len(raw):,} bytes long, more than {LONGEST_LINE:,}")
    try:
        text = raw.decode()
        if number == 1:
            text = text.removeprefix(BYTE_ORDER_MARK)
        if "\0" in text:
            return Bad("the line contains NUL bytes")
        if not text or text.isspace():
            return None
        time, pairs = _split(text)
        return LOGS[log](number, instant(time, tz), pairs, tz)
    except UnicodeDecodeError as error:
        return Bad(f"the line is not UTF-8: {error.reason} at byte {error.start}")
    except ValueError as error:
        return Bad(str(error))


def instant(text: str, tz: tzinfo = UTC) -> datetime:
    """Return the RFC 3339 time ``text`` in UTC, digits beyond microseconds cut off.

    Raises:
        ValueError: it is not one, or its year is not in YEARS.
    """
    if not TIME.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a time, as in 2019-11-02T14:03:21+01:00")
    try:
        local = datetime.fromisoformat(text.upper())
        at = (local if local.tzinfo else local.replace(tzinfo=tz)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{shown(text)} is not a time: {error}") from None
    if not YEARS[0] <= at.year <= YEARS[1]:
        raise ValueError(f"the time {shown(text)} is not between the years 1970 and 2999")
    return at


def shown(text: str) -> str:
    """Return ``text`` fit for a sentence: short, and without control characters."""
    text = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
    return text if text.isprintable() else repr(text)[1:-1]


def _split(text: str) -> tuple[str, Pairs]:
    if '"' in text or not text.isascii():
        return _split_quoted(text)
    time, *words = text.split()
    try:
        pairs: Pairs = dict([word.split("=", 1) for word in words])
    except ValueError:
        word = next(word for word in words if "=" not in word)
        raise ValueError(f"{shown(word)} is not key=value") from None
    if len(pairs) != len(words) or "" in pairs:
        _refuse_keys([word.partition("=")[0] for word in words])
    return time, pairs


def _split_quoted(text: str) -> tuple[str, Pairs]:
    time, rest = (*SPACES.split(text.strip(" \t\r\n"), maxsplit=1), "")[:2]
    at, found = 0, list[tuple[str, str]]()
    while at < len(rest):
        pair = PAIR.match(rest, at)
        if pair is None:
            raise ValueError(f"{shown(rest[at:])} is not key=value, quoted where it has spaces")
        quoted = pair[2]
        found.append((pair[1], pair[3] if quoted is None else ESCAPED.sub(r"\1", quoted)))
        at = pair.end()
    pairs = dict(found)
    if len(pairs) != len(found):
        _refuse_keys([key for key, _ in found])
    return time, pairs


def _refuse_keys(keys: list[str]) -> None:
    if "" in keys:
        raise ValueError("there is a value without a key")
    twice = next(key for key in keys if keys.count(key) > 1)
    raise ValueError(f"{shown(twice)} is given twice")


def _take(pairs: Pairs, key: str) -> str:
    try:
        return pairs.pop(key)
    except KeyError:
        raise ValueError(f"{key} is missing") from None


def _source(pairs: Pairs, key: str) -> Source:
    value = _take(pairs, key)
    try:
        return SOURCES[value]
    except KeyError:
        known = "grid, generator, inverter, solar or none"
        raise ValueError(f"{key}={shown(value)} is not a source: {known}") from None


def _number(key: str, value: str, most: float) -> float:
    # Digits and a point are the usual case; float() reads more than we call a number.
    if (value.strip("0123456789.") or value in {"", "."}) and not NUMBER.fullmatch(value):
        raise ValueError(f"{key}={shown(value)} is not a number")
    try:
        number = float(value)
    except ValueError:
        raise ValueError(f"{key}={shown(value)} is not a number") from None
    if 0 <= number <= most:
        return number + 0.0  # no minus zero
    raise ValueError(f"{key}={shown(value)} is not between 0 and {most:,}")


def _window(number: int, at: datetime, pairs: Pairs, tz: tzinfo) -> WindowLine:
    zone = getattr(tz, "key", "UTC")
    of, days = _source(pairs, "source"), _take(pairs, "days")
    from_, to = _take(pairs, "from"), _take(pairs, "to")
    opening = Opening(of, days, from_, to, pairs.pop("tz", zone))
    schedule_of(opening)
    return WindowLine(number, at, pairs, opening)


def _transition(number: int, at: datetime, pairs: Pairs, _tz: tzinfo) -> TransitionLine:
    from_, to = _source(pairs, "from"), _source(pairs, "to")
    return TransitionLine(number, at, pairs, from_, to)


def _reading(number: int, at: datetime, pairs: Pairs, _tz: tzinfo) -> ReadingLine:
    power = _number("power_w", _take(pairs, "power_w"), 1_000_000)
    energy = _number("energy_wh", _take(pairs, "energy_wh"), 1_000_000)
    volts, percent = pairs.pop("battery_v", None), pairs.pop("soc_pct", None)
    battery_v = None if volts is None else _number("battery_v", volts, 1_000)
    soc_pct = None if percent is None else _number("soc_pct", percent, 100)
    return ReadingLine(number, at, pairs, power, energy, battery_v, soc_pct)


def _active(number: int, at: datetime, pairs: Pairs, _tz: tzinfo) -> ActiveLine:
    texts = [_take(pairs, key) for key in ("id", "rule", "state", "channel", "outcome")]
    return ActiveLine(number, at, pairs, *texts)


Parser = Callable[[int, datetime, Pairs, tzinfo], ParsedLine]

LOGS: dict[str, Parser] = {
    WINDOW_LOG: _window,
    TRANSITION_LOG: _transition,
    READING_LOG: _reading,
    ACTIVE_LOG: _active,
}
