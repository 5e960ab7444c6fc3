"""An SMS-SUBMIT read back, bit by bit: a second reading of 3GPP TS 23.040 that shares no code."""

from typing import NamedTuple

from edge.sim800.pdu import Part

ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
MORE = dict(zip((10, 20, 40, 41, 47, 60, 61, 62, 64, 101), "\f^{}\\[~]|€", strict=True))


class Submitted(NamedTuple):
    """place: reference, part and parts of a long text."""

    number: str
    text: str
    place: tuple[int, int, int] | None
    report: bool
    validity: int


def submitted(part: Part) -> Submitted:
    octets = bytes.fromhex(part.pdu)
    assert octets[0] == 0
    assert len(octets) - 1 == part.length
    first, digits, kind = octets[1], octets[3], octets[4]
    assert first & 0b11 == 1
    end = 5 + (digits + 1) // 2
    swapped = "".join(f"{octet & 15:X}{octet >> 4:X}" for octet in octets[5:end])
    number = ("+" if kind == 0x91 else "") + swapped[:digits]
    _, coding, validity, length = octets[end : end + 4]
    data = octets[end + 4 :]
    place, skip = None, 0
    if first & 0x40:
        assert data[:3] == bytes([5, 0, 3])
        place, skip = (data[3], data[5], data[4]), 6
    if coding == 8:
        assert len(data) == length <= 140
        text = data[skip:].decode("utf-16-be")
    else:
        bits = "".join(f"{octet:08b}"[::-1] for octet in data)
        codes = [int(bits[at * 7 : at * 7 + 7][::-1], 2) for at in range(length)]
        assert length <= 160
        assert len(data) == (length * 7 + 7) // 8
        text = _read(codes[-(-skip * 8 // 7) :])
    return Submitted(number, text, place, bool(first & 0x20), validity)


def _read(codes: list[int]) -> str:
    text, codes = "", list(codes)
    while codes:
        code = codes.pop(0)
        text += MORE[codes.pop(0)] if code == 27 else ALPHABET[code]
    return text
