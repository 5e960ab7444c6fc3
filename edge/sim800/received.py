"""PDUs that come: SMS-DELIVER and SMS-STATUS-REPORT. Pure.

Source: 3GPP TS 23.040, 9.2.2.1 and 9.2.2.3 (the kinds), 9.2.3 (their fields), 9.2.3.24.1
(concatenation); 3GPP TS 23.038, 4 (codings).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

import msgspec

from schemas import gsm

GSM7, OCTETS, UCS2, ALPHABET = 0x00, 0x04, 0x08, 0x0C  # TP-DCS, its alphabet
GENERAL, COMPRESSED = range(0x80), 0x20  # TP-DCS; to be deleted once read, or not
WAITING_UCS2, CLASSED = range(0xE0, 0xF0), range(0xF0, 0x100)  # TP-DCS
HEADER = 0x40  # TP-UDHI, in the first octet
KIND = 0x03  # TP-MTI, in the first octet
DELIVER, STATUS_REPORT = 0x00, 0x02
NUMBERING, INTERNATIONAL, ALPHANUMERIC = 0x70, 0x10, 0x50  # type of number
DIGITS, FILLER = "0123456789*#abc", 0x0F
DECIMAL = range(10)
COMPLETED = frozenset((*range(0x03), *range(0x10, 0x20)))  # TP-ST: arrived, replaced, SC's own
TEMPORARY = range(0x20, 0x40)  # TP-ST: the network tries on


class PduError(ValueError):
    """Not a PDU that a device is sent; the sentence says why."""


class Deliver(msgspec.Struct, frozen=True):
    """A text that came. reference, part, parts: of a concatenated one; else 0, 1, 1.

    sent_at: by the clock of the network; None if it told no time.
    """

    sender: str
    text: str
    sent_at: datetime | None
    reference: int = 0
    part: int = 1
    parts: int = 1


class Status(StrEnum):
    """What a network says of a text (3GPP TS 23.040, 9.2.3.15)."""

    DELIVERED = "delivered"
    TRYING = "trying"
    FAILED = "failed"


class StatusReport(msgspec.Struct, frozen=True):
    """What became of the text with this TP-Message-Reference.

    done_at: by the clock of the network; None if it told no time.
    """

    reference: int
    recipient: str
    status: int
    done_at: datetime | None

    @property
    def outcome(self) -> Status:
        """Return what ``status`` means."""
        if self.status in COMPLETED:
            return Status.DELIVERED
        return Status.TRYING if self.status in TEMPORARY else Status.FAILED


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
    kind = first & KIND
    if kind == DELIVER:
        return _deliver(reader, header=bool(first & HEADER))
    if kind == STATUS_REPORT:
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
        return Deliver(deliver.sender, text, parts[1].sent_at)


def _deliver(reader: "_Reader", *, header: bool) -> Deliver:
    sender = reader.address()
    reader.octet()  # TP-PID
    alphabet, sent_at, length = _alphabet(reader.octet()), reader.instant(), reader.octet()
    data, size, place = reader.rest(), 0, (0, 1, 1)
    if header:
        if not data or data[0] >= len(data):
            raise PduError("the header of its text is cut off")
        size = data[0] + 1
        place = _concatenation(data[1:size])
    return Deliver(sender, _text(alphabet, data[size:], length, size), sent_at, *place)


def _text(alphabet: int, data: bytes, length: int, header: int) -> str:
    """Return what ``data`` says. length: TP-UDL, which counts the header's octets too."""
    if alphabet == GSM7:
        fill = -header * 8 % 7
        count = length - (header * 8 + fill) // 7
        if count < 0 or (count * 7 + fill + 7) // 8 > len(data):
            raise PduError("its text is cut off")
        return gsm.text_of(gsm.unpacked(data, count, fill))
    if not 0 <= length - header <= len(data):
        raise PduError("its text is cut off")
    encoding = "utf-16-be" if alphabet == UCS2 else "latin-1"
    return data[: length - header].decode(encoding, errors="replace")


def _alphabet(coding: int) -> int:
    """Return GSM7, OCTETS or UCS2; what is reserved means GSM7 (3GPP TS 23.038, 4)."""
    if coding in GENERAL:
        if coding & COMPRESSED:
            raise PduError("its text is compressed")
        return {OCTETS: OCTETS, UCS2: UCS2}.get(coding & ALPHABET, GSM7)
    if coding in CLASSED:
        return coding & OCTETS
    return UCS2 if coding in WAITING_UCS2 else GSM7


def _concatenation(header: bytes) -> tuple[int, int, int]:
    """Return reference, part and parts as ``header`` says; 0, 1, 1 if it does not."""
    place = 0
    while place + 1 < len(header):
        kind, size = header[place], header[place + 1]
        value = header[place + 2 : place + 2 + size]
        known = (kind, size, len(value)) in {(0x00, 3, 3), (0x08, 4, 4)}
        if known and 1 <= value[-1] <= value[-2]:
            return int.from_bytes(value[:-2], "big"), value[-1], value[-2]
        place += 2 + size
    return 0, 1, 1


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
        if kind & NUMBERING == ALPHANUMERIC:
            return gsm.text_of(gsm.unpacked(octets, length * 4 // 7))
        digits = "".join(DIGITS[nibble] for nibble in _nibbles(octets) if nibble < FILLER)
        return ("+" if kind & NUMBERING == INTERNATIONAL else "") + digits[:length]

    def instant(self) -> datetime | None:
        """Return a TP-SCTS, or None: what else a PDU says is true though its time is nonsense."""
        *fields, zone = self.take(7)
        if any(nibble not in DECIMAL for nibble in _nibbles(bytes(fields))):
            return None
        year, month, day, hour, minute, second = (each % 16 * 10 + each // 16 for each in fields)
        quarters = (zone & 0x07) * 10 + zone // 16
        offset = timedelta(minutes=15 * quarters) * (-1 if zone & 0x08 else 1)
        try:
            local = datetime(2000 + year, month, day, hour, minute, second, tzinfo=timezone(offset))
        except ValueError:
            return None
        return local.astimezone(UTC)


def _nibbles(octets: bytes) -> Iterator[int]:
    for octet in octets:
        yield octet & 0x0F
        yield octet >> 4
