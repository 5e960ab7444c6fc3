"""Texts to PDUs and back: examples from the standards, and properties that need no example."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim800.wire import Submitted
from app.sim800.wire import submitted as read_back
from edge.sim800 import gsm
from edge.sim800.pdu import Part, fitted, submit
from edge.sim800.received import Deliver, Joiner, PduError, Status, StatusReport, decode

NUMBER = "+380441234567"
GSM_TEXT = st.text(st.sampled_from(sorted(gsm.CODES)), max_size=500)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def submitted(part: Part) -> Submitted:
    return read_back(part.pdu, part.length)


def sent(text: str, **more: bool) -> list[Submitted]:
    return [submitted(part) for part in submit(NUMBER, text, 77, report=more.get("report", False))]


def test_the_classic_example_of_packing() -> None:
    assert gsm.packed(gsm.septets("hellohello") or []) == bytes.fromhex("E8329BFD4697D9EC37")


def test_a_short_text_is_one_part() -> None:
    assert submit("+46708251358", "hellohello", 1, report=False, validity=timedelta(days=4)) == (
        Part(pdu="0011000B916407281553F80000AA0AE8329BFD4697D9EC37", length=23),
    )


def test_every_code_of_the_alphabet_and_its_extension_has_a_letter() -> None:
    assert len(gsm.BASIC) == 128
    assert len(set(gsm.BASIC)) == 128
    assert len(gsm.CODES) == 137
    for letter, codes in gsm.CODES.items():
        assert gsm.text_of(list(codes)) == letter


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
        (timedelta(minutes=1), 0),
        (timedelta(minutes=6), 1),
        (timedelta(hours=12), 143),
        (timedelta(hours=12, minutes=1), 144),
        (timedelta(hours=24), 167),
        (timedelta(hours=25), 168),
        (timedelta(days=30), 196),
        (timedelta(days=300), 196),
    ],
)
def test_how_long_the_network_tries_is_rounded_up(validity: timedelta, octet: int) -> None:
    (part,) = submit(NUMBER, "x", 1, report=False, validity=validity)

    assert submitted(part).validity == octet


def test_a_report_is_asked_for() -> None:
    assert [sent("x", report=wanted)[0].report for wanted in (False, True)] == [False, True]


@pytest.mark.parametrize("number", ["", "+", "abc", "+12 34", "+123456789012345678901", "1"])
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="is not a number"):
        submit(number, "x", 1, report=False)


def test_a_short_code_is_a_number() -> None:
    assert submitted(submit("123", "x", 1, report=False)[0]).number == "123"


def test_a_text_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="256 parts"):
        submit(NUMBER, "a" * (153 * 256), 1, report=False)


@given(GSM_TEXT | ANY_TEXT, st.integers(1, 3))
def test_what_is_fitted_fits_and_begins_alike(text: str, parts: int) -> None:
    cut = fitted(text, parts)

    assert len(sent(cut)) <= parts
    assert cut == text or (cut.endswith("...") and text.startswith(cut[:-3]))


def test_it_is_cut_at_a_word() -> None:
    assert fitted("word " * 100, 1) == ("word " * 31).rstrip() + "..."
    assert fitted("x" * 200, 1) == "x" * 157 + "..."


def test_a_curly_quote_makes_no_text_longer() -> None:
    assert (
        gsm.readable("it\N{RIGHT SINGLE QUOTATION MARK}s 5\N{NO-BREAK SPACE}W\t\x07")
        == "it's 5 W  "
    )
    assert gsm.readable("світло") == "світло"


def test_a_text_that_came_is_read() -> None:
    pdu = (
        "0791447758100650040C9194714373238200008080312160304019D4F29C0E6A97E7F3F0B90C92BF41F4F29C0E"
    )
    with pytest.raises(PduError):
        decode(pdu[:40])
    pdu = "07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37"

    assert decode(pdu) == Deliver(
        "27838890001",
        "hellohello",
        datetime(1999, 3, 29, 13, 16, 59, tzinfo=UTC).replace(year=2099),
    )


def test_a_long_text_in_two_parts_is_put_together() -> None:
    joiner = Joiner()
    one, two = (
        Deliver("+1", text, datetime(2026, 1, 1, tzinfo=UTC), 7, part, 2)
        for part, text in ((1, "STA"), (2, "TUS"))
    )

    assert joiner.join(two) is None
    whole = joiner.join(one)
    assert whole is not None
    assert (whole.text, whole.parts) == ("STATUS", 1)


def test_unfinished_texts_are_forgotten_in_the_end() -> None:
    joiner = Joiner()
    parts = [Deliver("+1", "x", datetime(2026, 1, 1, tzinfo=UTC), n, 1, 2) for n in range(40)]
    assert {joiner.join(part) for part in parts} == {None}
    first = Deliver("+1", "y", parts[0].sent_at, 0, 2, 2)

    assert joiner.join(first) is None


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(0, "delivered"), (2, "delivered"), (0x20, "trying"), (0x30, "trying"), (0x40, "failed"),
     (0x46, "failed"), (0x60, "failed"), (3, "failed")],
)  # fmt: skip
def test_a_status_report_says_what_became_of_it(status: int, outcome: str) -> None:
    pdu = f"0006{5:02X}0C91834014325476" + "62113290000021" + "62113290100021" + f"{status:02X}"
    report = decode(pdu)

    assert isinstance(report, StatusReport)
    assert (report.reference, report.recipient) == (5, "+380441234567")
    assert report.outcome is Status(outcome)
    assert report.done_at == datetime(2026, 11, 23, 6, 1, tzinfo=UTC)


@given(st.binary(max_size=60))
def test_whatever_comes_is_read_or_refused(octets: bytes) -> None:
    with suppress(PduError):
        decode(octets.hex())


@given(st.text(max_size=20))
def test_what_is_no_hex_is_refused(text: str) -> None:
    with suppress(PduError):
        decode(text)
