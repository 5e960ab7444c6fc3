"""Texts to PDUs: examples from the standards, and properties that need no example."""

from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.sim800.wire import Submitted
from app.sim800.wire import submitted as read_back
from edge.sim800.pdu import Part, submit
from schemas import gsm

NUMBER = "+380441234567"
GSM_TEXT = st.text(st.sampled_from(sorted(gsm.CODES)), max_size=500)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def submitted(part: Part) -> Submitted:
    return read_back(part.pdu, part.length)


def sent(text: str, **more: bool) -> list[Submitted]:
    return [submitted(part) for part in submit(NUMBER, text, 77, report=more.get("report", False))]


def test_a_short_text_is_one_part() -> None:
    assert submit("+46708251358", "hellohello", 1, report=False, validity=timedelta(days=4)) == (
        Part(pdu="0011000B916407281553F80000AA0AE8329BFD4697D9EC37", length=23),
    )


@pytest.mark.parametrize(
    ("length", "letter", "parts"),
    [
        (160, "a", 1),
        (161, "a", 2),
        (306, "a", 2),
        (307, "a", 3),
        (80, "€", 1),
        (81, "€", 2),
        (70, "ж", 1),
        (71, "ж", 2),
        (134, "ж", 2),
        (135, "ж", 3),
        (35, "\N{BATTERY}", 1),
        (36, "\N{BATTERY}", 2),
    ],
)
def test_how_many_parts_a_text_needs(length: int, letter: str, parts: int) -> None:
    assert len(submit(NUMBER, letter * length, 1, report=False)) == parts


@example("a€" * 200)
@example("\N{BATTERY}ж" * 99)
@given(GSM_TEXT | ANY_TEXT)
def test_what_is_submitted_is_what_arrives(text: str) -> None:
    parts = sent(text)

    assert "".join(part.text for part in parts) == text
    assert [part.place for part in parts] == [
        (77, number, len(parts)) if len(parts) > 1 else None for number in range(1, len(parts) + 1)
    ]
    assert {part.number for part in parts} == {NUMBER}


@pytest.mark.parametrize(
    ("validity", "octet"),
    [
        (timedelta(minutes=-1), 0),
        (timedelta(0), 0),
        (timedelta(minutes=5), 0),
        (timedelta(minutes=5, microseconds=1), 1),
        (timedelta(minutes=30), 5),
        (timedelta(hours=12), 143),
        (timedelta(hours=12, seconds=1), 144),
        (timedelta(hours=24), 167),
        (timedelta(hours=25), 168),
        (timedelta(days=30), 196),
        (timedelta(days=31), 197),
        (timedelta(weeks=63), 255),
        (timedelta(days=3000), 255),
    ],
)
def test_how_long_the_network_tries_is_rounded_up(validity: timedelta, octet: int) -> None:
    (part,) = submit(NUMBER, "x", 1, report=False, validity=validity)

    assert submitted(part).validity == octet


def test_a_report_is_asked_for() -> None:
    assert [sent("x", report=wanted)[0].report for wanted in (False, True)] == [False, True]


@pytest.mark.parametrize(
    "number",
    ["", "+", "abc", "+12 34", "+0441234567", "+12345", "+1234567890123456", "1", "1" * 21, "12\n"],
)
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        submit(number, "x", 1, report=False)


@pytest.mark.parametrize("number", ["123", "0441234567", "+1234567", "+123456789012345", "1" * 20])
def test_a_number_arrives_as_it_was_given(number: str) -> None:
    assert submitted(submit(number, "x", 1, report=False)[0]).number == number


def test_a_reference_is_one_octet() -> None:
    first, _second = submit(NUMBER, "a" * 161, 256 + 7, report=False)

    assert submitted(first).place == (7, 1, 2)


def test_half_a_letter_becomes_a_question_mark() -> None:
    assert sent("\ud83d!ж")[0].text == "?!ж"


def test_a_text_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="256 parts"):
        submit(NUMBER, "a" * (153 * 256), 1, report=False)


@example("a€ " * 200, 2)
@example("\N{BATTERY}ж " * 99, 2)
@given(GSM_TEXT | ANY_TEXT, st.integers(1, 3))
def test_what_is_fitted_fits_and_begins_alike(text: str, parts: int) -> None:
    cut = gsm.fitted(text, parts)

    assert len(sent(cut)) <= parts
    assert cut == text or (cut.endswith("...") and text.startswith(cut[:-3]))


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("word " * 100, ("word " * 31).rstrip() + "..."),
        ("word\n" * 100, ("word\n" * 31).rstrip() + "..."),
        ("a" * 140 + "\n" + "b" * 40, "a" * 140 + "..."),
        ("a" * 157 + " " + "b" * 40, "a" * 157 + "..."),
        ("a" * 150 + " 123456 " + "b" * 40, "a" * 150 + " 123456..."),
        ("x" * 200, "x" * 157 + "..."),
        ("see " + "x" * 200, "see " + "x" * 153 + "..."),  # no word is that long
        ("€" * 100, "€" * 78 + "..."),
        ("\N{BATTERY}" * 100, "\N{BATTERY}" * 33 + "..."),
        ("a" * 200 + "ж", "a" * 157 + "..."),  # what is left is GSM
    ],
)
def test_it_is_cut_at_a_word(text: str, cut: str) -> None:
    assert gsm.fitted(text, 1) == cut


@given(GSM_TEXT | ANY_TEXT)
def test_what_fits_is_left_alone(text: str) -> None:
    assert gsm.fitted(gsm.fitted(text, 2), 2) == gsm.fitted(text, 2)
    assert gsm.fitted(text, 255) == text
