"""What a SIM800 answers, without any port: commands in, answers out, each after its time.

Source: SIM800 Series AT Command Manual V1.12; sections are named where they decide something.
"""

import re
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from app.sim800.answers import FIXED
from app.sim800.wire import Submitted, WireError, deliver, status_report, submitted

CTRL_Z, ESC, CR = 0x1A, 0x1B, 0x0D
NO_NETWORK, NO_CREDIT, SIM_PIN, PUK, WRONG = 331, 34, 11, 12, 16
BOOT = ("RDY", "+CFUN: 1", "+CPIN: READY", "Call Ready", "SMS Ready")
BOOT_S = 0.5
ACCEPTED = re.compile(
    r"$|[EVQZ&]|H0?$|\+(?:CMEE|CSCLK|CLTS|CSCS|CSCA|CSMP|COPS|CMMS|CLIP|CRC|CIURC|CNMA|IPR|CREG)="
)


class Core:
    """A module and its SIM. What it is to do wrong is set from outside, at any time.

    latency_s: from Ctrl-Z to the answer. errors: of the next sends, each ``CMS 38`` or the like.
    silent: how many sends to leave without an answer. report: the status of what was sent.
    strength: of AT+CSQ; below 1 there is no network. pin: what the SIM wants; tries: left for it.
    """

    def __init__(
        self, say: Callable[[float, bytes], None], sent: Callable[[Submitted], None]
    ) -> None:
        """Answer by ``say``, after so many seconds; tell ``sent`` of each text that goes out."""
        self.latency_s = 0.0
        self.errors: deque[str] = deque()
        self.silent = 0
        self.report: int | None = 0
        self.strength = 17
        self.credit = True
        self.pin: str | None = None
        self.tries = 3
        self.stray_prompts = False
        self.capacity = 50
        self.commands: deque[str] = deque(maxlen=10_000)
        self.given = 0  # texts that were given to it with Ctrl-Z
        self._say_bytes = say
        self._sent = sent
        self._stored: dict[int, tuple[int, str, int]] = {}
        self._reference = 0
        self._start()

    def _start(self) -> None:
        self._echo, self._numeric, self._pdu_mode = True, False, False
        self._new_texts, self._reports = 0, 0
        self._locked = self.pin is not None
        self._line = bytearray()
        self._length = 0  # of the PDU it waits for
        self._on = True

    def feed(self, data: bytes) -> None:
        """Take what a computer writes."""
        for octet in data:
            if self._length:
                self._text(octet)
            elif octet == CR:
                command = self._line.decode("latin-1").strip()
                if self._echo:
                    self._say_bytes(0.0, bytes(self._line) + b"\r")
                self._line.clear()
                self._take(command)
            elif octet == ESC:
                self._line.clear()
            elif octet not in b"\n\0":
                self._line.append(octet)

    def reset(self, *, silent: bool = False) -> None:
        """Start anew, as after a moment without power."""
        self._start()
        if not silent:
            for line in BOOT:
                self.say(BOOT_S, line)

    def receive(self, number: str, text: str) -> None:
        """Let a text come in."""
        pdu, length = deliver(number, text)
        place = next(n for n in range(1, 10_000) if n not in self._stored)
        if len(self._stored) >= self.capacity:
            return  # the network keeps it
        self._stored[place] = (0, pdu, length)
        if self._new_texts == 1:
            self.say(0.0, f'+CMTI: "SM",{place}')
        elif self._new_texts == 2:  # noqa: PLR2004 - AT+CNMI, 4.2.8
            del self._stored[place]
            self.say(0.0, f'+CMT: "",{length}', pdu)

    def say(self, delay_s: float, *lines: str) -> None:
        """Say ``lines`` after ``delay_s``, as a module does by itself or in answer."""
        self._say_bytes(delay_s, "".join(f"\r\n{lines[0]}\r\n" + "".join(
            f"{line}\r\n" for line in lines[1:])).encode("latin-1"))  # fmt: skip

    def _take(self, command: str) -> None:
        if command:
            self.commands.append(command)
        if not command.upper().startswith("AT"):
            return
        for part in _parts(command[2:]):
            done, lines = self._do(part)
            for line in lines:
                self.say(0.0, *line.split("\n"))
            if done is not None:
                self._fail(done)
                return
            if self._length:
                return
        self.say(0.0, "OK")

    def _fail(self, error: str) -> None:
        kind, _, code = error.partition(" ")
        if kind == "ERROR" or (kind == "CME" and not self._numeric):
            self.say(0.0, "ERROR")
        else:
            self.say(0.0, f"+{kind} ERROR: {code}")

    def _do(self, part: str) -> tuple[str | None, list[str]]:
        """Return the error of one command, None if there is none, and what it says."""
        if self._locked and part.startswith(("+CMG", "+CREG?", "+CNMI", "+CPMS", "+CSCA", "+CUSD")):
            return f"CME {SIM_PIN}", []
        name = re.match(r"\+?[A-Z&]+", part)
        handler = getattr(self, f"_{name[0].lstrip('+&').lower()}", None) if name else None
        if handler is not None and (part.startswith("+") or name is None):
            result: tuple[str | None, list[str]] = handler(part)
            return result
        if part in FIXED:
            return None, [FIXED[part]]
        if ACCEPTED.match(part):
            self._settings(part)
            return None, []
        return "CME 3", []

    def _settings(self, part: str) -> None:
        if found := re.search(r"E([01])", part if not part.startswith("+") else ""):
            self._echo = found[1] == "1"
        if part.startswith("+CMEE="):
            self._numeric = part[6:] == "1"

    def _cpin(self, part: str) -> tuple[str | None, list[str]]:
        if part == "+CPIN?":
            state = "SIM PUK" if self.tries <= 0 else "SIM PIN" if self._locked else "READY"
            return None, [f"+CPIN: {state}"]
        if self.tries <= 0:
            return f"CME {PUK}", []
        if part.removeprefix("+CPIN=").strip('"') == self.pin:
            self._locked, self.tries = False, 3
            self.say(BOOT_S, "SMS Ready")
            return None, []
        self.tries -= 1
        return f"CME {WRONG}", []

    def _spic(self, _part: str) -> tuple[str | None, list[str]]:
        return None, [f"+SPIC: {self.tries},3,10,10"]

    def _csq(self, _part: str) -> tuple[str | None, list[str]]:
        return None, [f"+CSQ: {self.strength if self.strength > 0 else 99},0"]

    def _creg(self, part: str) -> tuple[str | None, list[str]]:
        state = 1 if self.strength > 0 and self._on else 2
        return None, [f"+CREG: 1,{state}"] if part.endswith("?") else []

    def _cmgf(self, part: str) -> tuple[str | None, list[str]]:
        if part == "+CMGF?":
            return None, [f"+CMGF: {0 if self._pdu_mode else 1}"]
        self._pdu_mode = part == "+CMGF=0"
        return None, []

    def _cnmi(self, part: str) -> tuple[str | None, list[str]]:
        if part == "+CNMI?":
            return None, [f"+CNMI: 2,{self._new_texts},0,{self._reports},0"]
        if part == "+CNMI=?":
            return None, [FIXED[part]]
        fields = [int(each or 0) for each in part.partition("=")[2].split(",")] + [0] * 5
        if fields[3] > 1:
            return "CME 3", []  # no CDSI: 4.2.8
        self._new_texts, self._reports = fields[1], fields[3]
        return None, []

    def _cpms(self, part: str) -> tuple[str | None, list[str]]:
        if part == "+CPMS=?":
            return None, [FIXED[part]]
        used = f"{len(self._stored)},{self.capacity}"
        if part == "+CPMS?":
            return None, ["+CPMS: " + ",".join([f'"SM",{used}'] * 3)]
        return None, ["+CPMS: " + ",".join([used] * 3)]

    def _csca(self, part: str) -> tuple[str | None, list[str]]:
        return None, ['+CSCA: "+10000000000",145'] if part == "+CSCA?" else []

    def _ipr(self, part: str) -> tuple[str | None, list[str]]:
        return None, ["+IPR: 115200"] if part == "+IPR?" else []

    def _cfun(self, part: str) -> tuple[str | None, list[str]]:
        if part == "+CFUN?":
            return None, [f"+CFUN: {int(self._on)}"]
        if part == "+CFUN=1,1":
            self.reset()
        else:
            self._on = part == "+CFUN=1"
        return None, []

    def _cclk(self, part: str) -> tuple[str | None, list[str]]:
        if part != "+CCLK?":
            return None, []
        return None, [f'+CCLK: "{datetime.now(UTC):%y/%m/%d,%H:%M:%S}+00"']

    def _cusd(self, part: str) -> tuple[str | None, list[str]]:
        if part.startswith("+CUSD=1,"):
            self.say(0.2, f'+CUSD: 0,"Balance {"12.34" if self.credit else "0.00"}",15')
        return None, []

    def _cmgl(self, part: str) -> tuple[str | None, list[str]]:
        if part == "+CMGL=?":
            return None, [FIXED[part]]
        wanted = part.partition("=")[2] or "0"
        listed = [
            f"+CMGL: {place},{read},,{length}\n{pdu}"
            for place, (read, pdu, length) in self._stored.items()
            if wanted in {"4", str(read)}
        ]
        return None, listed

    def _cmgr(self, part: str) -> tuple[str | None, list[str]]:
        place = int(part.partition("=")[2].partition(",")[0])
        if place not in self._stored:
            return "CMS 321", []
        read, pdu, length = self._stored[place]
        self._stored[place] = (1, pdu, length)
        return None, [f"+CMGR: {read},,{length}\n{pdu}"]

    def _cmgd(self, part: str) -> tuple[str | None, list[str]]:
        if part == "+CMGD=?":
            return None, [FIXED[part]]
        place, _, flag = part.partition("=")[2].partition(",")
        if flag not in {"", "0"}:
            self._stored = {n: kept for n, kept in self._stored.items() if not kept[0]}
        else:
            self._stored.pop(int(place), None)
        return None, []

    def _cmgs(self, part: str) -> tuple[str | None, list[str]]:
        if not self._pdu_mode:
            return "CMS 304", []
        self._length = int(part.partition("=")[2])
        self._say_bytes(0.0, b"\r\n> ")
        return None, []

    def _text(self, octet: int) -> None:
        if octet == ESC:
            self._length = 0
            self._line.clear()
            self.say(0.0, "OK")
        elif octet != CTRL_Z:
            self._line.append(octet)
        else:
            pdu, length = self._line.decode("latin-1").strip(), self._length
            if self._echo:
                self._say_bytes(0.0, pdu.encode("latin-1") + b"\x1a")
            self._line.clear()
            self._length = 0
            self._send(pdu, length)

    def _send(self, pdu: str, length: int) -> None:
        self.given += 1
        error = self.errors.popleft() if self.errors else self._obstacle()
        if error is None:
            try:
                text = submitted(pdu, length)
            except WireError:
                error = "CMS 304"
        if error is not None:
            self.say(self.latency_s, "+{} ERROR: {}".format(*error.split()))
            if self.stray_prompts:
                self._say_bytes(self.latency_s, b"\r\n> ")
            return
        self._sent(text)
        self._reference = (self._reference + 1) % 256
        if self.silent:
            self.silent -= 1
            return
        self.say(self.latency_s, f"+CMGS: {self._reference}")
        self.say(self.latency_s, "OK")
        if text.report and self._reports and self.report is not None:
            report, size = status_report(self._reference, text.number, self.report)
            self.say(self.latency_s + 0.2, f"+CDS: {size}", report)

    def _obstacle(self) -> str | None:
        if self.strength < 1 or not self._on:
            return f"CMS {NO_NETWORK}"
        return None if self.credit else f"CMS {NO_CREDIT}"


def _parts(commands: str) -> list[str]:
    """Return what one line holds: commands are parted by semicolons outside quotes."""
    return [each.strip() for each in re.findall(r'(?:"[^"]*"|[^;"])+', commands)] or [""]
