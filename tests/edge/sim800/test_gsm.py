"""The GSM alphabet and its septets: every code, and what a text is made of before it is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import gsm

CODES = st.lists(st.integers(0, 0x7F), max_size=170)


def test_the_classic_example_of_packing() -> None:
    assert gsm.packed(gsm.septets("hellohello") or []) == bytes.fromhex("E8329BFD4697D9EC37")


def test_every_code_of_the_alphabet_and_its_extension_has_a_letter() -> None:
    assert len(gsm.BASIC) == 128
    assert len(set(gsm.BASIC)) == 128
    assert len(gsm.CODES) == 137
    for letter, codes in gsm.CODES.items():
        assert gsm.text_of(list(codes)) == letter


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("@", [0x00]),
        ("\n \r", [0x0A, 0x20, 0x0D]),
        ("¡¤§", [0x40, 0x24, 0x5F]),
        ("à", [0x7F]),
        ("€[", [0x1B, 0x65, 0x1B, 0x3C]),
        ("ç", None),
        ("a`", None),
        ("\x1b", None),
    ],
)
def test_letters_have_the_codes_of_the_standard(text: str, codes: list[int] | None) -> None:
    assert gsm.septets(text) == codes


@pytest.mark.parametrize(
    ("codes", "text"),
    [
        ([0x1B, 0x41], "A"),  # not in the extension table: the letter of the basic one
        ([0x1B, 0x1B, 0x41], " A"),  # an escape to a further table, which there is not
        ([0x41, 0x1B], "A "),
    ],
)
def test_an_escape_to_nothing_is_read_as_the_standard_says(codes: list[int], text: str) -> None:
    assert gsm.text_of(codes) == text


@given(CODES, st.integers(0, 6))
def test_septets_that_are_packed_are_found_again(codes: list[int], fill: int) -> None:
    octets = gsm.packed(codes, fill)

    assert gsm.unpacked(octets, len(codes), fill) == codes
    assert len(octets) == -(-(len(codes) * 7 + fill) // 8)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("it\u2019s 5\u00a0W\t\x07", "it's 5 W  "),
        ("\u201cGrid\u201d \u2013 lost\u2026", '"Grid" - lost...'),
        ("\u00abmain\u00bb, 3\u202f000\u2009W", '"main", 3 000 W'),
        ("load \u2265 5 kW \u2192 shed", "load >= 5 kW -> shed"),
        ("one\r\ntwo\u2028three\x00\x1b\x1a", "one\ntwo\nthree   "),
        ("ge\u00adne\u200brator\ufeff", "generator"),
        ("Caf\u0065\u0301 5 k\u2126", "Café 5 kΩ"),
        ("half of a letter: \ud83d", "half of a letter:  "),
    ],
)
def test_what_has_a_plain_form_needs_no_larger_alphabet(text: str, plain: str) -> None:
    assert gsm.readable(text) == plain
    assert gsm.septets(plain) is not None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("світло є", "світло є"),
        ("«світло»\u00a0— є…", "«світло» — є…"),  # a plain … would cost three
        ("می\u200cرود", "می\u200cرود"),  # the joiner is part of the spelling
        ("\U0001faea is newer than this Python", "\U0001faea is newer than this Python"),
    ],
)
def test_a_text_in_another_script_keeps_its_typography(text: str, kept: str) -> None:
    assert gsm.readable(text) == kept


@given(st.text(max_size=40) | st.text(st.sampled_from("ab\n\r\t'\u2019\u2026\u200d\u00a0ж\u0301")))
def test_what_is_readable_stays_as_it_is(text: str) -> None:
    once = gsm.readable(text)

    assert gsm.readable(once) == once
