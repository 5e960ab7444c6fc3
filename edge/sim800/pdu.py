"""Texts that go: SMS-SUBMIT. Pure.

Source: 3GPP TS 23.040, 9.2.2.2 (its fields), 9.2.3.24.1 (concatenation); the length that AT+CMGS
wants: 3GPP TS 27.005, 4.3; numbers: ITU-T E.164, and 3GPP TS 23.040, 9.1.2.5 (at most 20 digits).
"""

import re
from collections.abc import Iterator
from datetime import timedelta

import msgspec

from edge.sim800 import gsm

MOST_PARTS = 255
GSM7, UCS2 = 0x00, 0x08  # TP-DCS
SINGLE = {GSM7: 160, UCS2: 70}  # septets, UTF-16 units
PART = {GSM7: 153, UCS2: 67}
SUBMIT, RELATIVE, REPORT, HEADER = 0x01, 0x10, 0x20, 0x40  # bits of the first octet
INTERNATIONAL, UNKNOWN = 0x91, 0x81  # type of number
NUMBER = re.compile(r"\+[1-9][0-9]{6,14}|[0-9]{2,20}")  # E.164; a short code or a national one
CUT = "..."
LONGEST_WORD = 40  # what is longer, as an address of a page, is cut itself
HALF_DAY, DAY, WEEK = timedelta(hours=12), timedelta(days=1), timedelta(weeks=1)
VALID = timedelta(hours=2)


class Part(msgspec.Struct, frozen=True):
    """What AT+CMGS takes.

    pdu: in upper case hex; 00 before it: the SMSC is the one the SIM knows.
    length: in octets, without that 00.
    """

    pdu: str
    length: int


def fitted(text: str, parts: int = 3) -> str:
    """Return ``text``, cut at a word where it would need more than so many parts."""
    if len(_split(text)[1]) <= parts:
        return text
    low, high = 0, len(text)
    while low < high:  # the longest beginning that fits with the mark behind it
        middle = (low + high + 1) // 2
        fits = len(_split(text[:middle] + CUT)[1]) <= parts
        low, high = (middle, high) if fits else (low, middle - 1)
    begin = text[:low]
    word = max(begin.rfind(" "), begin.rfind("\n"))
    if not text[low].isspace() and word > 0 and low - word <= LONGEST_WORD:
        begin = begin[:word]
    return begin.rstrip() + CUT


def submit(
    number: str, text: str, reference: int, *, report: bool, validity: timedelta = VALID
) -> tuple[Part, ...]:
    """Return ``text`` to ``number`` as one PDU for each part.

    reference: of all parts, so that a phone puts them together; of a single one it says nothing.
    report: ask the network for a status report. validity: how long it tries, rounded up.

    Raises:
        ValueError: the number is none, or the text needs more than 255 parts.
    """
    if not NUMBER.fullmatch(number):
        raise ValueError(f"{number!r} is not a number, as in +2348012345678")
    coding, chunks = _split(text)
    if len(chunks) > MOST_PARTS:
        raise ValueError(f"the text needs {len(chunks)} parts; more than {MOST_PARTS} are none")
    first = SUBMIT | RELATIVE | (REPORT if report else 0) | (HEADER if len(chunks) > 1 else 0)
    head = bytes([first, 0]) + _address(number) + bytes([0, coding, _validity(validity)])
    parts = []
    for ordinal, chunk in enumerate(chunks, 1):
        header = bytes([5, 0, 3, reference % 256, len(chunks), ordinal]) if len(chunks) > 1 else b""
        octets = head + _user_data(coding, chunk, header)
        parts.append(Part(pdu=f"00{octets.hex()}".upper(), length=len(octets)))
    return tuple(parts)


def _split(text: str) -> tuple[int, list[list[int]]]:
    """Return the coding of ``text``, and its parts: septets, or UTF-16 units."""
    coding, letters = GSM7, [gsm.CODES.get(letter) for letter in text]
    if None in letters:
        coding = UCS2
        letters = [_units(letter) for letter in text]
    units = [each for each in letters if each is not None]
    if sum(map(len, units)) <= SINGLE[coding]:
        return coding, [[unit for letter in units for unit in letter]]
    return coding, list(_parts(units, PART[coding]))


def _parts(letters: list[tuple[int, ...]], room: int) -> Iterator[list[int]]:
    part: list[int] = []
    for letter in letters:
        if len(part) + len(letter) > room:  # no letter is split
            yield part
            part = []
        part.extend(letter)
    yield part


def _units(letter: str) -> tuple[int, ...]:
    octets = letter.encode("utf-16-be", errors="replace")
    return tuple(octets[place] << 8 | octets[place + 1] for place in range(0, len(octets), 2))


def _user_data(coding: int, chunk: list[int], header: bytes) -> bytes:
    """Return TP-UDL and TP-UD."""
    if coding == UCS2:
        octets = header + b"".join(unit.to_bytes(2, "big") for unit in chunk)
        return bytes([len(octets)]) + octets
    fill = -len(header) * 8 % 7
    length = (len(header) * 8 + fill) // 7 + len(chunk)
    return bytes([length]) + header + gsm.packed(chunk, fill)


def _address(number: str) -> bytes:
    digits = number.removeprefix("+")
    kind = INTERNATIONAL if number.startswith("+") else UNKNOWN
    padded = digits + "F" * (len(digits) % 2)
    swapped = "".join(padded[place + 1] + padded[place] for place in range(0, len(padded), 2))
    return bytes([len(digits), kind]) + bytes.fromhex(swapped)


def _validity(span: timedelta) -> int:
    """Return TP-VP in its relative format (3GPP TS 23.040, 9.2.3.12.1)."""
    if span <= HALF_DAY:
        return max(0, -(-span // timedelta(minutes=5)) - 1)
    if span <= DAY:
        return 143 + -(-(span - HALF_DAY) // timedelta(minutes=30))
    if span <= 30 * DAY:
        return 166 + -(-span // DAY)
    return min(255, 192 + -(-span // WEEK))
