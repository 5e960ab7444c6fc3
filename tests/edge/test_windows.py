"""Operating windows, judged minute by minute by a plain second reading of the design."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.windows import DAYS, Opening, Windows
from schemas.events import Source

MONDAY = datetime(2026, 1, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def opening(days: str, from_: str, to: str, tz: str = "UTC", of: str = "generator") -> Opening:
    return Opening(Source(of), days, from_, to, tz)


def moment(day: int, clock: str) -> datetime:
    hour, minute = clock.split(":")
    return MONDAY + timedelta(days=day, hours=int(hour), minutes=int(minute))


def is_open(windows: Windows, day: int, clock: str) -> bool | None:
    return windows.in_window(Source.GENERATOR, moment(day, clock))


def test_a_window_holds_from_its_opening_to_just_before_its_closing() -> None:
    windows = Windows([opening("mon", "18:00", "23:00")])

    seen = [is_open(windows, 0, clock) for clock in ("17:59", "18:00", "22:59", "23:00")]

    assert seen == [False, True, True, False]


def test_a_window_past_midnight_belongs_to_the_day_it_opens() -> None:
    windows = Windows([opening("mon", "22:00", "06:00")])

    seen = [
        is_open(windows, day, clock)
        for day, clock in ((0, "05:59"), (0, "22:00"), (1, "05:59"), (1, "06:00"), (1, "22:00"))
    ]

    assert seen == [False, True, True, False, False]


@pytest.mark.parametrize("to", ["24:00", "00:00"])
def test_a_window_to_midnight_ends_with_its_day(to: str) -> None:
    windows = Windows([opening("mon", "22:00", to)])

    assert [is_open(windows, 0, "23:59"), is_open(windows, 1, "00:00")] == [True, False]


def test_equal_times_are_the_whole_day() -> None:
    windows = Windows([opening("mon", "06:00", "06:00")])

    seen = [is_open(windows, day, "05:59") for day in (0, 1)] + [is_open(windows, 1, "06:00")]

    assert seen == [False, True, False]


def test_a_source_without_a_window_is_neither_in_nor_out() -> None:
    windows = Windows([opening("mon", "06:00", "07:00")])

    assert windows.in_window(Source.GRID, MONDAY) is None
    assert windows.in_window(None, MONDAY) is None


def test_due_sources_are_sorted() -> None:
    windows = Windows(
        [opening("mon-sun", "00:00", "24:00", of="solar"), opening("fri-mon", "00:00", "24:00")]
    )

    seen = [windows.due(moment(day, "12:00")) for day in (0, 1)]

    assert seen == [(Source.GENERATOR, Source.SOLAR), (Source.SOLAR,)]


def test_local_times_are_of_the_windows_own_zone() -> None:
    windows = Windows([opening("mon", "00:30", "02:00", tz="Africa/Lagos")])

    seen = windows.next_change(moment(-1, "12:00"))

    assert seen == moment(-1, "23:30")


def test_the_next_change_is_strictly_later() -> None:
    windows = Windows([opening("mon", "06:00", "07:00")])

    opens, closes = moment(0, "06:00"), moment(0, "07:00")
    assert windows.next_change(opens - MINUTE) == opens
    assert windows.next_change(opens) == closes
    assert windows.next_change(closes) == opens + timedelta(days=7)
    assert Windows().next_change(opens) is None


CLOCKS = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(0, 23), st.sampled_from([0, 1, 30]))
OPENINGS = st.builds(
    opening,
    st.sets(st.sampled_from(DAYS), min_size=1).map(",".join),
    CLOCKS,
    CLOCKS | st.just("24:00"),
    st.sampled_from(["UTC", "Africa/Lagos", "Asia/Kathmandu"]),
)


def naive(openings: list[Opening], at: datetime) -> bool:
    for one in openings:
        local = at.astimezone(ZoneInfo(one.tz))
        clock = f"{local:%H:%M}"
        today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
        if one.from_ < one.to:
            here = today in one.days and one.from_ <= clock < one.to
        else:
            here = (today in one.days and clock >= one.from_) or (
                yesterday in one.days and clock < one.to
            )
        if here:
            return True
    return False


@given(st.lists(OPENINGS, min_size=1, max_size=3), st.integers(0, 7 * 24 * 60))
def test_a_plain_reading_minute_by_minute_agrees(openings: list[Opening], first: int) -> None:
    windows = Windows(openings)
    minutes = [MONDAY + MINUTE * (first + step) for step in range(0, 1500, 10)]

    seen = [windows.in_window(Source.GENERATOR, at) for at in minutes]

    assert seen == [naive(openings, at) for at in minutes]


@given(st.lists(OPENINGS, min_size=1, max_size=3), st.integers(0, 7 * 24 * 60))
def test_nothing_changes_before_the_next_change(openings: list[Opening], first: int) -> None:
    windows, at = Windows(openings), MONDAY + MINUTE * first

    change = windows.next_change(at)

    assert change is not None
    before = [at + MINUTE * step for step in range(0, (change - at) // MINUTE, 7)]
    assert {naive(openings, minute) for minute in before} <= {naive(openings, at)}
