"""Text messages: the GSM 7 bit default alphabet, its extension table, octets, parts. Pure.

Source: 3GPP TS 23.038, 6.2.1, 6.2.1.1 and 6.1.2.1; parts: 3GPP TS 23.040, 9.2.3.24.1.
"""

import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

ESCAPE = 0x1B
BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
CODES: dict[str, tuple[int, ...]] = {
    letter: (code,) for code, letter in enumerate(BASIC) if code != ESCAPE
} | {letter: (ESCAPE, code) for code, letter in EXTENSION.items()}
PLAIN = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b\u2039\u203a\u2032\u02bc`\u00b4", "'")  # quotes, primes
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")  # hyphens, dashes, minus
    | {
        "\N{HORIZONTAL ELLIPSIS}": "...",
        "\N{MIDDLE DOT}": ".",
        "\N{BULLET}": "*",
        "\N{MULTIPLICATION SIGN}": "x",
        "\N{LESS-THAN OR EQUAL TO}": "<=",
        "\N{GREATER-THAN OR EQUAL TO}": ">=",
        "\N{RIGHTWARDS ARROW}": "->",
    }
)
BLANK = frozenset(("Cc", "Cs", "Zl", "Zp", "Zs"))  # controls, halves of letters, kinds of space
GSM7, UCS2 = 0x00, 0x08  # TP-DCS
ALPHABETS = {GSM7: "GSM-7", UCS2: "UCS-2"}  # as people and price lists call them
SINGLE = {GSM7: 160, UCS2: 70}  # septets, UTF-16 units
PART = {GSM7: 153, UCS2: 67}
CUT = "..."
LONGEST_WORD = 40  # what is longer, as an address of a page, is cut itself
INVISIBLE = "Cf"  # joiners, marks of direction, soft hyphens


def septets(text: str) -> list[int] | None:
    """Return ``text`` in septets; None if something in it cannot be said so."""
    codes: list[int] = []
    for letter in text:
        known = CODES.get(letter)
        if known is None:
            return None
        codes.extend(known)
    return codes


def text_of(codes: list[int]) -> str:
    """Return what ``codes`` say; an escape without a known code after it is a space."""
    letters: list[str] = []
    escaped = False
    for code in codes:
        if escaped:  # a code that the extension table lacks means the one of the basic table
            letters.append(EXTENSION.get(code, BASIC[code] if code != ESCAPE else " "))
            escaped = False
        elif code == ESCAPE:
            escaped = True
        else:
            letters.append(BASIC[code])
    return "".join(letters) + (" " if escaped else "")


def packed(codes: list[int], fill: int = 0) -> bytes:
    """Return septets in octets. fill: bits before the first, so that they begin at a septet."""
    bits = sum(code << (7 * place) for place, code in enumerate(codes)) << fill
    return bits.to_bytes((len(codes) * 7 + fill + 7) // 8, "little")


def unpacked(octets: bytes, count: int, fill: int = 0) -> list[int]:
    """Return ``count`` septets of ``octets``."""
    bits = int.from_bytes(octets, "little") >> fill
    return [(bits >> (7 * place)) & 0x7F for place in range(count)]


def readable(text: str) -> str:
    """Return ``text`` as it is best sent; what is readable already stays as it is.

    Controls and unusual spaces become spaces. If plain quotes, dashes and the like then bring
    all of it into the GSM alphabet, they replace the typographic ones; else those stay, as do
    the letters of every script.
    """
    lines = text.replace("\r\n", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    blanked = "".join(
        " " if each != "\n" and unicodedata.category(each) in BLANK else each for each in lines
    )
    kept = unicodedata.normalize("NFC", blanked)
    plain = "".join(each for each in kept if unicodedata.category(each) != INVISIBLE)
    plain = plain.translate(PLAIN)
    return kept if septets(plain) is None else plain


class Size(NamedTuple):
    """What a text is paid for by: its parts, and what they are written in."""

    parts: int
    alphabet: str

    def __str__(self) -> str:
        """Return it in words."""
        return f"{self.parts} part{'s'[: self.parts > 1]} of {self.alphabet}"


def size(text: str) -> Size:
    """Return what ``text`` is paid for by."""
    coding, parts = split(text)
    return Size(len(parts), ALPHABETS[coding])


def split(text: str) -> tuple[int, list[list[int]]]:
    """Return the coding of ``text``, and its parts: septets, or UTF-16 units."""
    coding, letters = GSM7, [CODES.get(letter) for letter in text]
    if None in letters:
        coding = UCS2
        letters = [_units(letter) for letter in text]
    units = [each for each in letters if each is not None]
    if sum(map(len, units)) <= SINGLE[coding]:
        return coding, [[unit for letter in units for unit in letter]]
    return coding, list(_parts(units, PART[coding]))


def fitted(text: str, parts: int = 3) -> str:
    """Return ``text``, cut at a word where it would need more than so many parts."""
    if len(split(text)[1]) <= parts:
        return text
    low, high = 0, len(text)
    while low < high:  # the longest beginning that fits with the mark behind it
        middle = (low + high + 1) // 2
        fits = len(split(text[:middle] + CUT)[1]) <= parts
        low, high = (middle, high) if fits else (low, middle - 1)
    begin = text[:low]
    word = max(begin.rfind(" "), begin.rfind("\n"))
    if not text[low].isspace() and word > 0 and low - word <= LONGEST_WORD:
        begin = begin[:word]
    return begin.rstrip() + CUT


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
