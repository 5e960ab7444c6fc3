"""Texts as PDUs: SMS-SUBMIT out, SMS-DELIVER and SMS-STATUS-REPORT in. Pure.

Source: 3GPP TS 23.040, 9.2.2 (the three kinds), 9.2.3 (their fields), 9.2.3.24.1 (concatenation);
the length that AT+CMGS wants: 3GPP TS 27.005, 4.3.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import msgspec

from edge.sim800 import gsm

MOST_PARTS = 255
GSM7, UCS2 = 0x00, 0x08  # TP-DCS
SINGLE = {GSM7: 160, UCS2: 70}  # septets, UTF-16 units
PART = {GSM7: 153, UCS2: 67}
SUBMIT, RELATIVE, REPORT, HEADER = 0x01, 0x10, 0x20, 0x40  # bits of the first octet
INTERNATIONAL, UNKNOWN = 0x91, 0x81  # type of number
ALPHANUMERIC = 0x50
NUMBER = re.compile(r"\+?[0-9]{2,20}")
CUT = "..."
VALID = timedelta(hours=2)


class PduError(ValueError):
    """Not a PDU that a device is sent; the sentence says why."""


class Part(msgspec.Struct, frozen=True):
    """What AT+CMGS takes. pdu: in hex, without the SMSC's address. length: octets but that."""

    pdu: str
    length: int


class Deliver(msgspec.Struct, frozen=True):
    """A text that came. reference, part, parts: of a concatenated one; else 0, 1, 1."""

    sender: str
    text: str
    sent_at: datetime
    reference: int = 0
    part: int = 1
    parts: int = 1


class Status(StrEnum):
    """What a network says of a text (3GPP TS 23.040, 9.2.3.15)."""

    DELIVERED = "delivered"
    TRYING = "trying"
    FAILED = "failed"


class StatusReport(msgspec.Struct, frozen=True):
    """What became of the text with this TP-Message-Reference."""

    reference: int
    recipient: str
    status: int
    done_at: datetime

    @property
    def outcome(self) -> Status:
        """Return what ``status`` means."""
        if self.status <= 0x02:  # noqa: PLR2004 - 0 to 2: transaction completed
            return Status.DELIVERED
        return Status.TRYING if 0x20 <= self.status < 0x40 else Status.FAILED  # noqa: PLR2004


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
    at_word = begin.rstrip() if text[low : low + 1].isspace() else begin.rpartition(" ")[0]
    return (at_word or begin).rstrip() + CUT


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


def decode(pdu: str) -> Deliver | StatusReport:
    """Return what ``pdu``, in hex with the SMSC's address, says.

    Raises:
        PduError: it is cut off, or of another kind.
    """
    try:
        octets = bytes.fromhex(pdu)
    except ValueError:
        raise PduError(f"{pdu[:40]!r} is not hex") from None
    reader = _Reader(octets)
    reader.take(reader.octet())  # the SMSC's address
    first = reader.octet()
    kind = first & 0x03
    if kind == 0x00:
        return _deliver(reader, header=bool(first & HEADER))
    if kind == 0x02:  # noqa: PLR2004 - TP-MTI of SMS-STATUS-REPORT
        reference = reader.octet()
        recipient, _sent_at, done_at = reader.address(), reader.instant(), reader.instant()
        return StatusReport(reference, recipient, reader.octet(), done_at)
    raise PduError(f"a PDU of kind {kind} is none that comes to a device")


class Joiner:
    """Puts the parts of long texts together; at most MOST unfinished ones are kept."""

    MOST = 16

    def __init__(self) -> None:
        """Nothing yet."""
        self._unfinished: dict[tuple[str, int, int], dict[int, Deliver]] = {}

    def join(self, deliver: Deliver) -> Deliver | None:
        """Return the whole text that ``deliver`` completes; None if parts are missing."""
        if deliver.parts == 1:
            return deliver
        name = deliver.sender, deliver.reference, deliver.parts
        parts = self._unfinished.setdefault(name, {})
        parts[deliver.part] = deliver
        if len(parts) < deliver.parts:
            while len(self._unfinished) > self.MOST:
                del self._unfinished[next(iter(self._unfinished))]
            return None
        del self._unfinished[name]
        text = "".join(parts[ordinal].text for ordinal in sorted(parts))
        return Deliver(deliver.sender, text, deliver.sent_at)


def _deliver(reader: "_Reader", *, header: bool) -> Deliver:
    sender = reader.address()
    reader.octet()  # TP-PID
    coding, sent_at, length = reader.octet(), reader.instant(), reader.octet()
    data = reader.rest()
    fields, fill, count = (0, 1, 1), 0, length
    if header:
        if not data or data[0] >= len(data):
            raise PduError("the header of its text is cut off")
        size = data[0] + 1
        fields = _concatenation(data[1:size])
        fill = -size * 8 % 7
        count -= (size * 8 + fill) // 7
        if _alphabet(coding) != GSM7:
            data, count = data[size:], length - size
        else:
            data = data[size:]
    return Deliver(sender, _text(coding, data, count, fill), sent_at, *fields)


def _text(coding: int, data: bytes, count: int, fill: int) -> str:
    alphabet = _alphabet(coding)
    if alphabet == GSM7:
        if count < 0 or (count * 7 + fill + 7) // 8 > len(data):
            raise PduError("its text is cut off")
        return gsm.text_of(gsm.unpacked(data, count, fill))
    if not 0 <= count <= len(data):
        raise PduError("its text is cut off")
    encoding = "utf-16-be" if alphabet == UCS2 else "latin-1"
    return data[:count].decode(encoding, errors="replace")


def _alphabet(coding: int) -> int:
    """Return GSM7, UCS2, or 4 for octets (3GPP TS 23.038, 4)."""
    if coding & 0xC0 == 0 or coding & 0xF0 == 0xF0:  # noqa: PLR2004 - coding groups
        return {0x04: 4, 0x08: UCS2}.get(coding & 0x0C, GSM7)
    return UCS2 if coding & 0xF0 == 0xE0 else GSM7  # noqa: PLR2004 - message waiting, in UCS-2


def _concatenation(header: bytes) -> tuple[int, int, int]:
    """Return reference, part and parts as ``header`` says; 0, 1, 1 if it does not."""
    place = 0
    while place + 1 < len(header):
        kind, size = header[place], header[place + 1]
        value = header[place + 2 : place + 2 + size]
        if (kind, len(value)) in {(0x00, 3), (0x08, 4)} and 1 <= value[-1] <= value[-2]:
            return int.from_bytes(value[:-2], "big"), value[-1], value[-2]
        place += 2 + size
    return 0, 1, 1


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
    minutes = -(-span // timedelta(minutes=1))
    if minutes <= 12 * 60:
        return max(0, -(-minutes // 5) - 1)
    if minutes <= 24 * 60:
        return 143 + -(-(minutes - 12 * 60) // 30)
    days = -(-minutes // (24 * 60))
    return 166 + max(2, days) if days <= 30 else 192 + min(63, max(5, -(-days // 7)))  # noqa: PLR2004


class _Reader:
    """Reads fields one after the other."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._place = 0

    def take(self, count: int) -> bytes:
        taken = self._octets[self._place : self._place + count]
        if len(taken) < count:
            raise PduError(f"it is cut off after {len(self._octets)} octets")
        self._place += count
        return taken

    def octet(self) -> int:
        return self.take(1)[0]

    def rest(self) -> bytes:
        return self._octets[self._place :]

    def address(self) -> str:
        length, kind = self.octet(), self.octet()
        octets = self.take((length + 1) // 2)
        if kind & 0x70 == ALPHANUMERIC:
            return gsm.text_of(gsm.unpacked(octets, length * 4 // 7))
        digits = "".join("0123456789*#abc"[nibble] for nibble in _nibbles(octets) if nibble < 0x0F)
        return ("+" if kind & 0x70 == 0x10 else "") + digits[:length]  # noqa: PLR2004

    def instant(self) -> datetime:
        """Return a TP-SCTS; what is no time at all is refused."""
        *fields, zone = self.take(7)
        year, month, day, hour, minute, second = (each % 16 * 10 + each // 16 for each in fields)
        quarters = (zone & 0x07) * 10 + zone // 16
        offset = timedelta(minutes=15 * quarters) * (-1 if zone & 0x08 else 1)
        try:
            local = datetime(2000 + year, month, day, hour, minute, second, tzinfo=timezone(offset))
        except ValueError as error:
            raise PduError(f"its time is none: {error}") from None
        return local.astimezone(UTC)


def _nibbles(octets: bytes) -> Iterator[int]:
    for octet in octets:
        yield octet & 0x0F
        yield octet >> 4
