"""The GSM 7 bit default alphabet with its extension table, and septets in octets. Pure.

Source: 3GPP TS 23.038, 6.2.1, 6.2.1.1 and 6.1.2.1.
"""

import unicodedata

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
