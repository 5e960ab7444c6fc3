"""The AT protocol without any I/O: bytes in, events out, the same however the bytes are split.

Lines end with CR, LF or both; the prompt ``> `` has no end at all. What a modem says by itself may
stand between any two lines, also between a command and its answer; an echo may stand before it.

Source: SIM800 Series AT Command Manual V1.12, 1.4 (syntax), 4.2.5 (AT+CMGS), 18 (results, codes).
"""

import re

import msgspec

LONGEST_LINE = 4_096
CTRL_Z, ESC = b"\x1a", b"\x1b"
CR, LF, QUOTE = 0x0D, 0x0A, 0x22
# +CMS ERROR: 38, +CME ERROR:53, +CMS: ERROR 302, and one that is cut off: +CMS ERROR:
FAILURE = re.compile(r"\+(CM[ES])(?::? ?ERROR ?:?) ?([0-9]*)")
POWER = re.compile(r"(?:(?:UNDER|OVER)-VOLTAGE|NORMAL POWER (?:DOWN|OFF))")
BY_ITSELF = (
    "RING", "NO CARRIER", "RDY", "Call Ready", "SMS Ready", "*PSUTTZ", "*PSNWID", "DST:", "+CTZV",
    "+CMTI:", "+CMT:", "+CDS:", "+CDSI:", "+CBM:", "+CIEV:", "+CUSD:", "+CLIP:", "+CRING:",
    "+CFUN:", "+CPIN:", "+CREG:", "+CGREG:", "+CSMINS:",
)  # fmt: skip
WITH_PDU = ("+CMT:", "+CDS:", "+CBM:")  # a second line follows
QUOTED = "+CUSD:"  # its string may hold line ends, and quotes too
LONGEST_QUOTED = 400  # a USSD answer has at most 182 letters
CLOSED = re.compile(r'",[0-9]+$')
OTHER = re.compile(r"\+[A-Z]+:")  # a line that a string does not hold


class Reply(msgspec.Struct, frozen=True):
    """The answer to a command. lines: what came before its end. error: None is OK.

    error: ``CMS 38``, ``CME 10``, or ``ERROR``.
    """

    lines: tuple[str, ...]
    error: str | None = None

    def value(self, prefix: str) -> str | None:
        """Return what follows ``prefix`` in the first line that begins with it."""
        for line in self.lines:
            if line.startswith(prefix):
                return line.removeprefix(prefix).strip()
        return None


class Prompt(msgspec.Struct, frozen=True):
    """The modem waits for a text."""


class Told(msgspec.Struct, frozen=True):
    """What the modem said by itself. pdu: the second line, where there is one."""

    line: str
    pdu: str = ""


Event = Reply | Prompt | Told


class Machine:
    """Cuts what a modem says into events. One command is on its way at a time."""

    def __init__(self) -> None:
        """Nothing was said, and nothing is on its way."""
        self._rest = bytearray()
        self._skipping = False
        self._command = ""
        self._echoes: list[str] = []
        self._prompts = False
        self._lines: list[str] = []
        self._headline = ""

    @property
    def busy(self) -> bool:
        """Return whether a command is on its way."""
        return bool(self._command)

    def command(self, text: str, *, prompts: bool = False) -> bytes:
        """Return ``text`` as it is written; its answer will be a Reply.

        prompts: a Prompt comes first, to which ``data`` or ESC is the answer.
        """
        self._command, self._prompts = text, prompts
        self._echoes, self._lines = [text], []
        return text.encode("ascii") + b"\r"

    def data(self, text: str) -> bytes:
        """Return what answers a Prompt; from here on it may have been sent."""
        self._prompts = False
        self._echoes.append(text)
        return text.encode("ascii") + CTRL_Z

    def give_up(self) -> None:
        """Expect no answer any more: what still comes belongs to nobody."""
        self._command, self._prompts, self._lines = "", False, []

    def feed(self, data: bytes) -> list[Event]:
        """Return what ``data`` completes."""
        events: list[Event] = []
        for octet in data:
            if self._ends(octet):
                self._end(events)
            elif self._skipping:
                continue
            elif len(self._rest) >= LONGEST_LINE:
                self._rest.clear()  # no modem says so much: it is noise
                self._skipping = True
            else:
                self._rest.append(octet)
                if self._rest == b"> " and self._prompt():
                    events.append(Prompt())
        return events

    def _ends(self, octet: int) -> bool:
        if octet not in (CR, LF):
            return False
        if not self._rest.startswith(QUOTED.encode()) or not self._rest.count(QUOTE) % 2:
            return True
        said = _text(self._rest)
        return (
            len(said) >= LONGEST_QUOTED or CLOSED.search(said) is not None or len(_parted(said)) > 1
        )

    def _prompt(self) -> bool:
        """Return whether the prompt is one that was waited for; a stray one is forgotten."""
        self._rest.clear()
        awaited, self._prompts = self._prompts, False
        return awaited

    def _end(self, events: list[Event]) -> None:
        said, self._skipping = _text(self._rest), False
        self._rest.clear()
        found = (self._line(line) for line in _parted(said) if line)
        events.extend(event for event in found if event is not None)

    def _line(self, line: str) -> Event | None:
        if self._headline:
            headline, self._headline = self._headline, ""
            return Told(headline, line)
        if self._is_echo(line):
            return None
        if line.startswith(WITH_PDU):
            self._headline = line
            return None
        return self._answer(line) if self._command and not self._by_itself(line) else _told(line)

    def _answer(self, line: str) -> Event | None:
        if not _final(line):
            self._lines.append(line)
            return None
        reply = Reply(tuple(self._lines), _error(line))
        self.give_up()
        return reply

    def _is_echo(self, line: str) -> bool:
        for echo in self._echoes:
            if line.endswith(echo):  # foreign bytes may stand before it
                self._echoes.remove(echo)
                return True
        return False

    def _by_itself(self, line: str) -> bool:
        if POWER.match(line):
            return True
        if not line.startswith(BY_ITSELF):
            return False
        name = line.partition(":")[0]
        if (
            not self._command.removeprefix("AT").startswith(name)
            and f";{name}" not in self._command
        ):
            return True
        if name == "+CUSD":
            return True
        if name in {"+CREG", "+CGREG"}:  # an answer has the mode before the state
            fields = line.partition(":")[2].split(",")
            return len(fields) < 2 or not fields[1].strip().isdecimal()  # noqa: PLR2004
        return False


def _text(raw: bytes | bytearray) -> str:
    return raw.translate(None, b"\0\x1a\x1b").decode("latin-1").strip()


def _parted(said: str) -> list[str]:
    """Return ``said``, in two where a string that is never closed runs into another line."""
    head, last = said[: (cut := max(said.rfind("\n"), said.rfind("\r")) + 1)], said[cut:].strip()
    foreign = _final(last) or last.startswith(BY_ITSELF) or OTHER.match(last) is not None
    return [head.strip(), last] if foreign and head.count('"') % 2 else [said]


def _told(line: str) -> Event | None:
    return None if _final(line) else Told(line)  # a late OK is nobody's


def _final(line: str) -> bool:
    return line in {"OK", "ERROR"} or FAILURE.match(line) is not None


def _error(line: str) -> str | None:
    if line == "OK":
        return None
    failure = FAILURE.match(line)
    return line if failure is None else f"{failure[1]} {failure[2]}".strip()
