"""Texts and reports that come: examples, every cut, and whatever else a modem may hand over."""

import random
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge.sim800.pdu import Part, submit
from edge.sim800.received import Deliver, Joiner, PduError, StatusReport, decode
from schemas import gsm

NUMBER = "+380441234567"
AT = datetime(2026, 11, 23, 6, 1, tzinfo=UTC)
STAMP = "62113280100080"  # AT, by a clock two hours ahead of UTC
HELLO = "07917283010010F5040BC87238880900F10000993092516195800AE8329BFD4697D9EC37"
REPORT = f"0006050C91834014325476{STAMP}{STAMP}00"
ANY_TEXT = st.text(st.sampled_from(sorted(gsm.CODES)), max_size=400) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=200
)


def delivered(part: Part) -> str:
    """Return ``part`` as a network hands it on, from NUMBER instead of to it."""
    octets = bytes.fromhex(part.pdu)[1:]
    end = 4 + (octets[2] + 1) // 2
    first = bytes([0x04 | octets[0] & 0x40])  # TP-UDHI stays
    coding, data = octets[end : end + 2], octets[end + 3 :]
    return (b"\0" + first + octets[2:end] + coding + bytes.fromhex(STAMP) + data).hex()


def text(data: bytes, *, coding: int = 0x08, size: int | None = None, header: str = "") -> str:
    """Return the PDU of a text from 123. size: TP-UDL, if it is not the count of octets."""
    octets = bytes.fromhex(header) + data
    udl = len(octets) if size is None else size
    return f"00{0x44 if header else 0x04:02X}038121F300{coding:02X}{STAMP}{udl:02X}{octets.hex()}"


def came(pdu: str) -> Deliver:
    found = decode(pdu)
    assert isinstance(found, Deliver)
    return found


def part(
    number: int, *, of: int, reference: int = 7, says: str = "x", sender: str = "1"
) -> Deliver:
    return Deliver(sender, says, AT, reference, number, of)


def test_a_text_that_came_is_read() -> None:
    assert decode(HELLO) == Deliver(
        "27838890001", "hellohello", datetime(2099, 3, 29, 13, 16, 59, tzinfo=UTC)
    )


@example("a€" * 200, random.Random(1))
@example("\N{BATTERY}ж" * 99, random.Random(1))
@given(ANY_TEXT, st.randoms(use_true_random=False))
def test_what_is_submitted_is_read_in_any_order(said: str, order: random.Random) -> None:
    parts = list(submit(NUMBER, said, 77, report=False))
    order.shuffle(parts)
    joiner = Joiner()

    joined = [joiner.join(came(delivered(each))) for each in parts]

    assert joined == [None] * (len(parts) - 1) + [Deliver(NUMBER, said, AT)]


@pytest.mark.parametrize(
    ("address", "sender"),
    [
        ("0C91834014325476", "+380441234567"),
        ("0B91834014325476", "+38044123456"),
        ("038121F3", "123"),
        ("0381BAFC", "*#a"),
        ("0ED0" + gsm.packed(gsm.septets("Kyivstar") or []).hex(), "Kyivstar"),
        ("0DD0" + gsm.packed(gsm.septets("Voltage") or []).hex(), "Voltage"),
        ("0BD0" + gsm.packed(gsm.septets("Energy") or []).hex(), "Energy"),
        ("0080", ""),
    ],
)
def test_a_sender_is_a_number_or_a_name(address: str, sender: str) -> None:
    assert decode(f"0004{address}0000{STAMP}0141") == Deliver(sender, "A", AT)


@pytest.mark.parametrize(
    ("codings", "says"),
    [
        ([0x00, 0x01, 0x10, 0x13, 0x40, 0x50, 0xC8, 0xD8, 0xF0, 0xF3], "AB"),
        ([0x0C, 0x4C, 0x80, 0xBF, 0xF8], "AB"),  # reserved
        ([0x04, 0x14, 0x44, 0x54, 0xF4, 0xF7], "A!"),
        ([0x08, 0x18, 0x48, 0x58, 0xE0, 0xE8], "\u4121"),
    ],
)
def test_the_coding_says_which_alphabet(codings: list[int], says: str) -> None:
    assert [came(text(b"A!", coding=each, size=2)).text for each in codings] == [says] * len(
        codings
    )


@pytest.mark.parametrize("coding", [0x20, 0x28, 0x60])
def test_a_compressed_text_is_refused(coding: int) -> None:
    with pytest.raises(PduError, match="compressed"):
        decode(text(b"A!", coding=coding))


@pytest.mark.parametrize(
    ("header", "place"),
    [
        ("0500034D0201", (0x4D, 1, 2)),
        ("0608041F2E0303", (0x1F2E, 3, 3)),
        ("0B700301020308041F2E0201", (0x1F2E, 1, 2)),
        ("0500034D0200", (0, 1, 1)),  # no part 0
        ("0500034D0203", (0, 1, 1)),  # no part 3 of 2
        ("0400024D02", (0, 1, 1)),  # an element too short
        ("0500044D0201", (0, 1, 1)),  # an element longer than the header
        ("0170", (0, 1, 1)),
        ("00", (0, 1, 1)),
    ],
)
def test_a_header_says_which_part_it_is(header: str, place: tuple[int, int, int]) -> None:
    assert decode(text("Я".encode("utf-16-be"), header=header)) == Deliver("123", "Я", AT, *place)


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        ("62113280100080", AT),
        ("6211321100000A", datetime(2026, 11, 23, 16, 0, tzinfo=UTC)),  # 5 h behind
        ("62113211644032", datetime(2026, 11, 23, 6, 1, 4, tzinfo=UTC)),
        ("00000000000000", None),
        ("FFFFFFFFFFFFFF", None),
        ("62311280100080", None),  # month 13
        ("621132A1100080", None),  # an hour that is no decimal number
    ],
)
def test_a_time_is_read_in_utc_and_nonsense_is_none(stamp: str, at: datetime | None) -> None:
    assert decode(f"0004038121F30000{stamp}0141") == Deliver("123", "A", at)
    assert decode(f"0006050381214F{STAMP}{stamp}00") == StatusReport(5, "124", 0, at)


@pytest.mark.parametrize(
    ("outcome", "states"),
    [
        ("delivered", [*range(0x03), *range(0x10, 0x20)]),
        ("trying", [*range(0x20, 0x40)]),
        ("failed", [*range(0x03, 0x10), *range(0x40, 0x100)]),
    ],
)
def test_a_status_report_says_what_became_of_it(outcome: str, states: list[int]) -> None:
    for status in states:
        report = decode(f"{REPORT[:-2]}{status:02X}")

        assert report == StatusReport(5, NUMBER, status, AT)
        assert isinstance(report, StatusReport)
        assert report.outcome == outcome


@pytest.mark.parametrize(
    "whole",
    [HELLO, REPORT, text(b"\x04\x2f", header="0500034D0201"), text(b"A!\x01", coding=0, size=3)],
)
def test_what_is_cut_off_anywhere_is_refused(whole: str) -> None:
    assert decode(whole)
    for end in range(len(whole)):
        with pytest.raises(PduError, match=r"cut off|not hex"):
            decode(whole[:end])


@pytest.mark.parametrize(
    ("pdu", "reason"),
    [
        ("", "cut off after 0 octets"),
        ("00", "cut off after 1 octets"),
        ("0001" + "00" * 20, "of kind 1"),
        ("0003" + "00" * 20, "of kind 3"),
        ("+CMT", "not hex"),
        ("00 0", "not hex"),
        (text(b"", coding=0, size=5, header="0500034D0201"), "text is cut off"),
        (text(b"", coding=8, size=5, header="0500034D0201"), "text is cut off"),
        (text(b"", coding=0, header="05"), "header of its text is cut off"),
    ],
)
def test_what_is_no_text_is_refused_with_a_reason(pdu: str, reason: str) -> None:
    with pytest.raises(PduError, match=reason):
        decode(pdu)


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda end: b"\0\x44\0\x80" + end))
def test_whatever_comes_is_read_or_refused(octets: bytes) -> None:
    with suppress(PduError):
        decode(octets.hex())


@given(st.text(max_size=20))
def test_what_is_no_hex_is_refused(said: str) -> None:
    with suppress(PduError):
        decode(said)


def test_parts_are_put_together_once_all_are_there() -> None:
    joiner = Joiner()
    two, one = part(2, of=2, says="TUS"), part(1, of=2, says="STA")

    assert [joiner.join(each) for each in (two, two, one, one)] == [
        None,
        None,
        Deliver("1", "STATUS", AT),
        None,
    ]


def test_parts_of_other_texts_are_none_of_it() -> None:
    joiner = Joiner()

    assert joiner.join(part(1, of=2)) is None
    assert joiner.join(part(2, of=2, reference=8)) is None
    assert joiner.join(part(2, of=2, sender="2")) is None
    assert joiner.join(part(2, of=3)) is None


def test_of_many_unfinished_texts_the_oldest_are_forgotten() -> None:
    joiner = Joiner()
    for reference in range(40):
        assert joiner.join(part(1, of=2, reference=reference)) is None

    finished = [joiner.join(part(2, of=2, reference=reference)) for reference in (23, 24, 39)]

    assert finished == [None, None, Deliver("1", "xx", AT)]
