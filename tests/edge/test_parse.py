"""A line is a fact, or kept with a reason a person understands."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.parse import (
    ACTIVE_LOG,
    LOGS,
    READING_LOG,
    TRANSITION_LOG,
    WINDOW_LOG,
    ActiveLine,
    Bad,
    ReadingLine,
    TransitionLine,
    WindowLine,
    parse,
    parsed,
)
from edge.windows import Opening
from schemas.events import Source

AT = datetime(2019, 11, 2, 13, 3, 30, tzinfo=UTC)
TIME = "2019-11-02T14:03:30+01:00"
READING = f"{TIME} power_w=412 energy_wh=1.1"
WINDOW = f"{TIME} source=generator days=mon-sun from=18:00 to=23:00"


def reason(log: str, text: str | bytes) -> str:
    bad = parse(log, 1, text.encode() if isinstance(text, str) else text)
    assert isinstance(bad, Bad)
    return bad.reason


def test_a_reading_has_its_numbers() -> None:
    line = parse(READING_LOG, 7, f"{READING} battery_v=51.3 soc_pct=87 site=a".encode())

    assert line == ReadingLine(7, AT, {"site": "a"}, 412.0, 1.1, 51.3, 87.0)


def test_a_reading_needs_no_battery() -> None:
    line = parse(READING_LOG, 1, READING.encode())

    assert line == ReadingLine(1, AT, {}, 412.0, 1.1, None, None)


def test_a_transition_names_both_sources() -> None:
    line = parse(TRANSITION_LOG, 1, f'{TIME} from=grid to=none why="a \\"b\\" \\\\c"\r'.encode())

    assert line == TransitionLine(1, AT, {"why": 'a "b" \\c'}, Source.GRID, Source.NONE)


def test_a_window_is_kept_as_written() -> None:
    line = parse(WINDOW_LOG, 1, f"{WINDOW} tz=Africa/Lagos".encode())

    opening = Opening(Source.GENERATOR, "mon-sun", "18:00", "23:00", "Africa/Lagos")
    assert line == WindowLine(1, AT, {}, opening)


def test_an_active_line_is_texts() -> None:
    text = f"{TIME} id=1 rule=grid_lost state=firing channel=sim outcome=sent"

    line = parse(ACTIVE_LOG, 1, text.encode())

    assert line == ActiveLine(1, AT, {}, "1", "grid_lost", "firing", "sim", "sent")


def test_times_without_a_zone_are_in_the_configured_one() -> None:
    raw = WINDOW.replace("+01:00", "").encode()

    line = parse(WINDOW_LOG, 1, raw, ZoneInfo("Africa/Lagos"))

    assert isinstance(line, WindowLine)
    assert (line.at, line.opening.tz) == (AT, "Africa/Lagos")


@pytest.mark.parametrize("blank", [b"", b"  \t", b"\r"])
def test_a_blank_line_is_nothing(blank: bytes) -> None:
    assert parse(READING_LOG, 1, blank) is None


@pytest.mark.parametrize(
    ("time", "micros"),
    [
        ("2019-11-02T13:03:30Z", 0),
        ("2019-11-02t13:03:30z", 0),
        ("2019-11-02T13:03:30.5Z", 500_000),
        ("2019-11-02T13:03:30.1234569-00:00", 123_456),
    ],
)
def test_times_are_rfc_3339(time: str, micros: int) -> None:
    line = parse(READING_LOG, 1, READING.replace(TIME, time).encode())

    assert isinstance(line, ReadingLine)
    assert line.at == AT.replace(microsecond=micros)


@pytest.mark.parametrize(
    "time",
    [
        "yesterday",
        "2019-11-02",
        "20191102T130330Z",
        "2019-11-02T13:03Z",
        "2019-11-02T24:00:00Z",
        "2019-02-30T00:00:00Z",
        "2019-11-02T13:03:30+01:00:30",
        "2019-11-02T13:03:30+24:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "1969-12-31T23:59:59Z",
        "3000-01-01T00:00:00Z",
    ],
)
def test_other_times_are_refused(time: str) -> None:
    assert time in reason(READING_LOG, READING.replace(TIME, time))


@pytest.mark.parametrize(
    ("log", "text", "expected"),
    [
        (READING_LOG, f"{READING} soc_pct=140", "soc_pct=140 is not between 0 and 100"),
        (READING_LOG, f"{READING} battery_v=-1", "battery_v=-1 is not between 0 and 1,000"),
        (READING_LOG, f"{READING} soc_pct=nan", "soc_pct=nan is not a number"),
        (READING_LOG, f"{READING} soc_pct=inf", "soc_pct=inf is not a number"),
        (READING_LOG, f"{READING} soc_pct=1_0", "soc_pct=1_0 is not a number"),
        (READING_LOG, f"{READING} soc_pct=1.2.3", "soc_pct=1.2.3 is not a number"),
        (READING_LOG, f"{READING} soc_pct=", "soc_pct= is not a number"),
        (READING_LOG, f"{READING} soc_pct=٣", "soc_pct=٣ is not a number"),
        (READING_LOG, f"{READING} soc_pct=1e999", "soc_pct=1e999 is not between 0 and 100"),
        (READING_LOG, f"{TIME} energy_wh=1", "power_w is missing"),
        (READING_LOG, f"{READING} power_w=2", "power_w is given twice"),
        (READING_LOG, f"{READING} word", "word is not key=value"),
        (READING_LOG, f"{READING} =5", "there is a value without a key"),
        (READING_LOG, f"{READING}\0", "the line contains NUL bytes"),
        (READING_LOG, READING.encode() + b"\xff", "the line is not UTF-8: invalid start byte"),
        (READING_LOG, f'{READING} a="b', 'a="b is not key=value, quoted'),
        (READING_LOG, f'{READING} a="b\\n"', "is not key=value, quoted"),
        (READING_LOG, "x" * 65_537, "the line is 65,537 bytes long, more than 65,536"),
        (TRANSITION_LOG, f"{TIME} from=grid to=diesel", "to=diesel is not a source: grid, gen"),
        (TRANSITION_LOG, f"{TIME} to=grid", "from is missing"),
        (WINDOW_LOG, f"{WINDOW} tz=Mars/Base", "tz=Mars/Base is not a known time zone"),
        (WINDOW_LOG, f"{WINDOW} tz=../etc", "tz=../etc is not a known time zone"),
        (WINDOW_LOG, f"{WINDOW} tz=", "tz= is not a known time zone"),
        (WINDOW_LOG, WINDOW.replace("mon-sun", "mon-funday"), "days=mon-funday is not a list"),
        (WINDOW_LOG, WINDOW.replace("mon-sun", "mon,"), "days=mon, is not a list"),
        (WINDOW_LOG, WINDOW.replace("18:00", "24:00"), "from=24:00 is not a time from 00:00 to 23"),
        (WINDOW_LOG, WINDOW.replace("23:00", "24:01"), "to=24:01 is not a time from 00:00 to 24"),
        (WINDOW_LOG, WINDOW.replace("23:00", "23:60"), "to=23:60 is not a time"),
        (ACTIVE_LOG, f"{TIME} id=1", "rule is missing"),
    ],
)
def test_a_reason_says_what_is_wrong(log: str, text: str | bytes, expected: str) -> None:
    assert expected in reason(log, text)


@given(st.sampled_from(list(LOGS)), st.binary())
def test_no_bytes_raise(log: str, raw: bytes) -> None:
    parse(log, 1, raw)


@given(st.sampled_from(list(LOGS)), st.text())
def test_no_text_after_a_time_raises(log: str, text: str) -> None:
    parse(log, 1, f"{TIME} {text}".encode(errors="replace"))


NULS = b"\0" * 100_000


@pytest.mark.parametrize("left", [b"\0", NULS, b"2019-11-02T14:0" + NULS, b"\xff\0"])
def test_a_line_after_nul_bytes_is_told_apart_from_them(left: bytes) -> None:
    found = parsed("probeEnergy.log", 7, left + READING.encode())

    assert found == [
        (Bad("the line begins with NUL bytes"), left),
        (parse("probeEnergy.log", 7, READING.encode()), READING.encode()),
    ]


@pytest.mark.parametrize(
    "raw",
    [b"\0", NULS, READING.encode() + b"\0", b"\0rubbish", NULS * 6 + READING.encode(), b"rubbish"],
)
def test_what_no_fact_follows_is_one_malformed_line(raw: bytes) -> None:
    assert parsed("probeEnergy.log", 7, raw) == [(parse("probeEnergy.log", 7, raw), raw)]


def test_a_blank_line_holds_nothing() -> None:
    assert parsed("probeEnergy.log", 7, b" \r") == []


def quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


KEYS = st.from_regex(r"[a-z_é]{1,8}", fullmatch=True).filter(lambda key: key not in {"from", "to"})
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n"))
TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(TIMES, st.sampled_from(Source), st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_was_written_is_read(time: datetime, to: Source, extra: dict[str, str]) -> None:
    pairs = "".join(f" {key}={quoted(value)}" for key, value in extra.items())

    line = parse(TRANSITION_LOG, 3, f"{time.isoformat()} from=grid to={to}{pairs}\r".encode())

    assert line == TransitionLine(3, time, extra, Source.GRID, to)
