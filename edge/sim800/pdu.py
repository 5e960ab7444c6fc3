"""Texts that go: SMS-SUBMIT. Pure.

Source: 3GPP TS 23.040, 9.2.2.2 (its fields), 9.2.3.24.1 (concatenation); the length that AT+CMGS
wants: 3GPP TS 27.005, 4.3; numbers: ITU-T E.164, and 3GPP TS 23.040, 9.1.2.5 (at most 20 digits).
"""

import re
from datetime import timedelta

import msgspec

from schemas import gsm
from schemas.gsm import UCS2

MOST_PARTS = 255
SUBMIT, RELATIVE, REPORT, HEADER = 0x01, 0x10, 0x20, 0x40  # bits of the first octet
INTERNATIONAL, UNKNOWN = 0x91, 0x81  # type of number
NUMBER = re.compile(r"\+[1-9][0-9]{6,14}|[0-9]{2,20}")  # E.164; a short code or a national one
HALF_DAY, DAY, WEEK = timedelta(hours=12), timedelta(days=1), timedelta(weeks=1)
VALID = timedelta(hours=2)


class Part(msgspec.Struct, frozen=True):
    """What AT+CMGS takes.

    pdu: in upper case hex; 00 before it: the SMSC is the one the SIM knows.
    length: in octets, without that 00.
    """

    pdu: str
    length: int


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
    coding, chunks = gsm.split(text)
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
