"""PDUs as a network sees them: SMS-SUBMIT read, SMS-DELIVER and SMS-STATUS-REPORT written.

Source: 3GPP TS 23.040, 9.2.2 and 9.2.3; 3GPP TS 23.038, 6.2.1.
"""

from datetime import UTC, datetime
from typing import NamedTuple

ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
MORE = dict(zip((10, 20, 40, 41, 47, 60, 61, 62, 64, 101), "\f^{}\\[~]|€", strict=True))
ESCAPE = 27
UCS2, SUBMIT, HEADER, REPORT, RELATIVE, ABSOLUTE = 8, 1, 0x40, 0x20, 0x10, 0x18
INTERNATIONAL = 0x91
WHOLE = 140  # octets of text in one PDU


class WireError(ValueError):
    """Not a PDU that a modem is given to send."""


class Submitted(NamedTuple):
    """A text on its way. place: reference, part and parts of a long one. validity: TP-VP."""

    number: str
    text: str
    place: tuple[int, int, int] | None
    report: bool
    validity: int | None


def submitted(pdu: str, length: int) -> Submitted:
    """Return what ``pdu`` says; ``length``: as AT+CMGS was given it.

    Raises:
        WireError: it is no SMS-SUBMIT of that length.
    """
    try:
        octets = bytes.fromhex(pdu)
        octets = octets[octets[0] + 1 :]  # without the message centre
        if len(octets) != length:
            raise WireError(f"{len(octets)} octets, and not {length}")
        return _read(octets)
    except (ValueError, IndexError, KeyError) as error:
        raise WireError(f"{pdu[:40]}: {error}") from None


def _read(octets: bytes) -> Submitted:
    first, digits, kind = octets[0], octets[2], octets[3]
    if first & 0b11 != SUBMIT:
        raise WireError("no SMS-SUBMIT")
    end = 4 + (digits + 1) // 2
    number = ("+" if kind == INTERNATIONAL else "") + _swapped(octets[4:end])[:digits]
    coding, place = octets[end + 1], end + 2
    validity = None
    if first & ABSOLUTE == RELATIVE:
        validity, place = octets[place], place + 1
    elif first & ABSOLUTE:
        place += 7
    length, data = octets[place], octets[place + 1 :]
    header = data[: data[0] + 1] if first & HEADER else b""
    if len(data) > WHOLE or len(data) != (length if coding & UCS2 else -(-length * 7 // 8)):
        raise WireError(f"{len(data)} octets of text, and not {length}")
    if coding & UCS2:
        text = data[len(header) :].decode("utf-16-be")
    else:
        bits = "".join(f"{octet:08b}"[::-1] for octet in data)
        codes = [int(bits[at * 7 : at * 7 + 7][::-1], 2) for at in range(length)]
        text = _letters(codes[-(-len(header) * 8 // 7) :])
    where = (header[3], header[5], header[4]) if header[1:3] == b"\0\3" else None
    return Submitted(number, text, where, bool(first & REPORT), validity)


def _letters(codes: list[int]) -> str:
    each, text = iter(codes), ""
    for code in each:
        text += MORE[next(each)] if code == ESCAPE else ALPHABET[code]
    return text


def deliver(sender: str, text: str, at: datetime | None = None) -> tuple[str, int]:
    """Return a text from ``sender`` as a PDU, and the length that is told with it."""
    data = text.encode("utf-16-be")[:WHOLE]
    octets = b"\x04" + _address(sender) + b"\0\x08" + _time(at) + bytes([len(data)]) + data
    return f"00{octets.hex()}".upper(), len(octets)


def status_report(
    reference: int, recipient: str, status: int, at: datetime | None = None
) -> tuple[str, int]:
    """Return what became of a text as a PDU, and the length that is told with it."""
    times = _time(at) * 2
    octets = bytes([0x06, reference]) + _address(recipient) + times + bytes([status])
    return f"00{octets.hex()}".upper(), len(octets)


def _address(number: str) -> bytes:
    digits = number.removeprefix("+")
    kind = INTERNATIONAL if number != digits else 0x81
    padded = digits + "F" * (len(digits) % 2)
    return bytes([len(digits), kind]) + bytes.fromhex(_swapped(bytes.fromhex(padded)))


def _swapped(octets: bytes) -> str:
    return "".join(f"{octet & 15:X}{octet >> 4:X}" for octet in octets)


def _time(at: datetime | None) -> bytes:
    utc = (at or datetime.now(UTC)).astimezone(UTC)
    return bytes.fromhex(_swapped(bytes.fromhex(f"{utc:%y%m%d%H%M%S}00")))
