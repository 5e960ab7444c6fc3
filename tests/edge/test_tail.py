"""Whole lines, in the order in which they count, from where it had come to."""

from datetime import UTC
from pathlib import Path

import pytest

from edge import log_file
from edge.log_file import Entry, Position
from edge.parse import Bad, TransitionLine
from edge.tail import Tail
from tests.edge.logs import (
    ACTIVE,
    READINGS,
    TRANSITIONS,
    WINDOWS,
    append,
    at,
    reading_text,
    transition_text,
)


def tail(folder: Path, positions: dict[str, Position] | None = None) -> Tail:
    return Tail(folder, positions or {}, UTC, settle_s=2)


def read(tail: Tail, now_s: float) -> list[tuple[str, int]]:
    return [(entry.log, entry.number) for entry in entries(tail, now_s)]


def entries(tail: Tail, now_s: float) -> list[Entry]:
    tail.look(now_s)
    tail.fill()
    return tail.release(now_s)


def drained(tail: Tail) -> list[Entry]:
    found = list[Entry]()
    tail.look(0)
    while tail.behind or tail.queued:
        tail.fill()
        found += tail.release_all()
    return found


def test_a_line_waits_until_it_has_settled(tmp_path: Path) -> None:
    follower = tail(tmp_path)
    append(tmp_path, READINGS, reading_text(1))

    seen = [read(follower, now_s) for now_s in (0, 1.9, 2, 3)]

    assert seen == [[], [], [(READINGS, 1)], []]


def test_a_later_line_of_another_log_goes_first_if_it_counts_earlier(tmp_path: Path) -> None:
    follower = tail(tmp_path)
    append(tmp_path, READINGS, reading_text(10))
    read(follower, 0)
    append(tmp_path, TRANSITIONS, transition_text(9, "none") + transition_text(11, "grid"))
    read(follower, 1)

    seen = [read(follower, now_s) for now_s in (2, 3)]

    assert seen == [[(TRANSITIONS, 1), (READINGS, 1)], [(TRANSITIONS, 2)]]


def test_a_line_without_its_end_waits(tmp_path: Path) -> None:
    follower = tail(tmp_path)
    whole = reading_text(1)
    append(tmp_path, READINGS, whole[:9])
    seen = [read(follower, now_s) for now_s in (0, 5)]
    append(tmp_path, READINGS, whole[9:])
    seen += [read(follower, now_s) for now_s in (10, 12)]

    assert seen == [[], [], [], [(READINGS, 1)]]


def test_a_log_may_appear_later(tmp_path: Path) -> None:
    follower = tail(tmp_path)
    seen = [read(follower, 0)]
    append(tmp_path, TRANSITIONS, transition_text(1, "none"))
    seen += [read(follower, now_s) for now_s in (5, 7)]

    assert seen == [[], [], [(TRANSITIONS, 1)]]


def test_it_goes_on_from_its_position(tmp_path: Path) -> None:
    append(tmp_path, READINGS, reading_text(5) + "\n" + reading_text(3) + reading_text(7))
    first, second, *_ = drained(tail(tmp_path))

    rest = drained(tail(tmp_path, {READINGS: second.position}))

    assert (first.number, second.number, second.at) == (1, 3, at(5))
    assert [(entry.number, entry.at) for entry in rest] == [(4, at(7))]


def test_a_malformed_line_keeps_its_place(tmp_path: Path) -> None:
    append(tmp_path, READINGS, b"first\n" + reading_text(5).encode() + b"third\n")
    append(tmp_path, TRANSITIONS, transition_text(1, "none") + transition_text(6, "grid"))

    seen = [(entry.log, entry.number) for entry in drained(tail(tmp_path))]

    assert seen == [
        (READINGS, 1),
        (TRANSITIONS, 1),
        (READINGS, 2),
        (READINGS, 3),
        (TRANSITIONS, 2),
    ]


def test_a_malformed_line_alone_does_not_wait(tmp_path: Path) -> None:
    follower = tail(tmp_path)
    append(tmp_path, ACTIVE, "rubbish\n")

    assert read(follower, 0) == [(ACTIVE, 1)]


def test_a_malformed_line_keeps_its_bytes(tmp_path: Path) -> None:
    append(tmp_path, READINGS, b"\xff\r\n")

    (entry,) = drained(tail(tmp_path))

    assert isinstance(entry.item, Bad)
    assert entry.raw == b"\xff\r"


def test_a_line_after_a_power_cut_is_stored_with_the_nul_bytes_before_it(tmp_path: Path) -> None:
    append(tmp_path, TRANSITIONS, transition_text(1, "grid"))
    append(tmp_path, TRANSITIONS, b"\0" * 100 + transition_text(60, "none").encode())
    append(tmp_path, READINGS, reading_text(30))

    _, _, nuls, fact = drained(tail(tmp_path))

    assert (nuls.raw, nuls.at, nuls.number, fact.number) == (b"\0" * 100, at(60), 2, 2)
    assert isinstance(fact.item, TransitionLine)
    assert fact.item.to == "none"
    assert (nuls.position.offset, nuls.position.line) == (fact.position.offset, 2)
    assert [entry.log for entry in drained(tail(tmp_path, {TRANSITIONS: fact.position}))] == [
        READINGS
    ]


def test_a_shortened_log_is_read_from_its_beginning(tmp_path: Path) -> None:
    follower = tail(tmp_path)
    append(tmp_path, READINGS, reading_text(1) + reading_text(2))
    seen = [read(follower, now_s) for now_s in (0, 2)]
    (tmp_path / READINGS).write_text(reading_text(3))
    seen += [read(follower, now_s) for now_s in (3, 5)]

    assert seen[1:] == [[(READINGS, 1), (READINGS, 2)], [], [(READINGS, 1)]]


def test_lines_read_before_their_log_was_shortened_still_go_out(tmp_path: Path) -> None:
    follower = tail(tmp_path)
    append(tmp_path, READINGS, reading_text(1))
    read(follower, 0)
    (tmp_path / READINGS).write_text("")

    assert read(follower, 2) == [(READINGS, 1)]


def test_a_folder_in_the_place_of_a_log_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / READINGS).mkdir()
    append(tmp_path, TRANSITIONS, transition_text(1, "none"))

    assert [entry.log for entry in drained(tail(tmp_path))] == [TRANSITIONS]


def test_the_queue_is_bounded_and_a_year_flows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "QUEUE", 10)
    monkeypatch.setattr(log_file, "CHUNK", 500)
    append(tmp_path, READINGS, "".join(reading_text(second) for second in range(0, 2000, 2)))
    append(tmp_path, TRANSITIONS, "".join(transition_text(n, "none") for n in range(1, 2000, 2)))
    follower, seen = tail(tmp_path), list[Entry]()
    entries(follower, 0)

    while follower.behind or follower.queued:
        released = entries(follower, 2)
        assert 0 < len(released) <= 60
        seen += released

    assert [entry.at for entry in seen] == [at(second) for second in range(2000)]


def test_a_line_too_long_is_kept_whole_up_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "KEPT", 100_000)
    monkeypatch.setattr(log_file, "TOLD", 80_000)
    append(tmp_path, WINDOWS, b"a" * 70_000 + b"\n" + b"b" * 400_000 + b"\nc\n")

    long, longer, short = drained(tail(tmp_path))

    assert (len(long.raw), len(longer.raw), short.raw) == (70_000, 80_000, b"c")
    assert long.item == Bad("the line is 70,000 bytes long, more than 65,536")
    assert longer.item == Bad("the line is 400,000 bytes long; the first 80,000 are kept")
    assert short.position.offset == 470_004
