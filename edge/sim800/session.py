"""One opened modem: initialised, registered, listened to.

A module that starts anew, or asks to be looked after, makes the session ``over``. Times: SIM800
Series AT Command Manual V1.12, the command's section.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

import structlog

from edge.sim800.at import Told
from edge.sim800.dialogue import Dialogue, FailedError, SilentError
from edge.sim800.port import PortLostError
from edge.sim800.states import Settings, State, Status

SMS_S, LIST_S, BALANCE_S = 5.0, 20.0, 60.0
SIM_READY_S, REGISTERED_S = 30.0, 120.0
POLL_EVERY_S = 60.0
UNKNOWN_SIGNAL = 99  # of AT+CSQ, 3.2.35
BOOTS = ("RDY", "+CFUN: 1", "Call Ready", "SMS Ready", "NORMAL POWER")
CLOCK = re.compile(r'"(\d\d)/(\d\d)/(\d\d),(\d\d):(\d\d):(\d\d)([+-]\d\d)"')
PLAUSIBLE = datetime(2024, 1, 1, tzinfo=UTC)  # a module without the time says 2004
USSD = re.compile(r'\+CUSD: ?\d+(?:,"([^"]*)")?')
HEX = re.compile(r"(?:[0-9A-Fa-f]{4})+")

T = TypeVar("T")
log = structlog.get_logger()


class TroubleError(Exception):
    """Something stands in the way that the next rung may remove."""


class Session:
    """A dialogue with a modem. over: it has to be brought back.

    heard: called with each PDU that comes, of a text or a report.
    """

    def __init__(self, settings: Settings, status: Status, heard: Callable[[str], None]) -> None:
        """Open the port.

        Raises:
            PortLostError: it cannot be opened.
        """
        self.over = asyncio.Event()
        self.settings = settings
        self.status = status
        self._heard = heard
        self._booting = True
        self._stored: asyncio.Queue[str] = asyncio.Queue()
        self._ussd: asyncio.Future[str] | None = None
        self.dialogue = Dialogue(settings.port, settings.baud, self._told)

    async def start(self, *, may_unlock: bool) -> None:
        """Bring it to where it can send.

        may_unlock: give the SIM its PIN, if it wants one.

        Raises:
            TroubleError, SilentError, FailedError, PortLostError: it could not be.
        """
        self._booting = True
        await self.dialogue.wake()
        await self._initialise(may_unlock=may_unlock)
        self.status.state = State.SEARCHING
        await until(self.registered, REGISTERED_S, "no network")
        for line in (await self.dialogue.ask("AT+CMGL=4", LIST_S)).lines:
            if line.startswith("+CMGL:"):
                self._stored.put_nowait(line.removeprefix("+CMGL:").partition(",")[0].strip())
        self.over.clear()
        self._booting = False

    async def watch(self) -> None:
        """Read what comes until it is over.

        Raises:
            TroubleError, SilentError, FailedError, PortLostError: it is, for that reason.
        """
        while not self.over.is_set():
            place = await self._next()
            if self.dialogue.lost.is_set():
                raise PortLostError("the port is gone")
            if place:
                await self._fetch(place)
            elif not self.over.is_set() and not await self.registered():
                raise TroubleError("no network any more")

    async def registered(self) -> bool:
        """Return whether it is in a network, and take note of how well it hears."""
        reply = await self.dialogue.ask("AT+CSQ;+CREG?")
        strength = number((reply.value("+CSQ:") or "").partition(",")[0], UNKNOWN_SIGNAL)
        self.status.signal_dbm = None if strength >= UNKNOWN_SIGNAL else 2 * strength - 113
        fields = (reply.value("+CREG:") or "").split(",")
        return len(fields) > 1 and fields[1].strip() in {"1", "5"}  # at home, roaming

    async def network_time(self) -> datetime | None:
        """Return the network's time; None if the module has none."""
        reply = await self.dialogue.ask("AT+CCLK?")
        found = CLOCK.search(reply.value("+CCLK:") or "")
        if found is None:
            return None
        year, month, day, hour, minute, second, quarters = map(int, found.groups())
        try:
            zone = timezone(timedelta(minutes=15 * quarters))
            at = datetime(2000 + year, month, day, hour, minute, second, tzinfo=zone)
        except ValueError:
            return None
        return at.astimezone(UTC) if at >= PLAUSIBLE else None

    async def ask_balance(self) -> None:
        """Take note of what the network says of the credit, if there is a way to ask for it."""
        if self.settings.balance is None:
            return
        self._ussd = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(BALANCE_S):
                await self.dialogue.ask(f'AT+CUSD=1,"{self.settings.balance}",15')
                self.status.balance = await self._ussd
        except (SilentError, FailedError, TimeoutError) as error:
            log.warning("balance_unknown", reason=str(error) or "no answer")
        finally:
            self._ussd = None

    async def _initialise(self, *, may_unlock: bool) -> None:
        dialogue = self.dialogue
        for command in ("ATE0V1Q0", "AT+CMEE=1", "AT+CSCLK=0"):
            await tried(dialogue, command)
        if (await dialogue.ask("AT+IPR?")).value("+IPR:") == "0":  # silent when it starts anew
            await tried(dialogue, f"AT+IPR={self.settings.baud};&W")
        await self._unlock(may_unlock=may_unlock)
        await until(lambda: _accepted(dialogue, "AT+CMGF=0"), SIM_READY_S, "the SIM is not ready")
        for command in ("AT+CREG=1", "AT+CSMS=0", "AT+CNMI=2,1,0,1,0", "AT+CLTS=1"):
            await tried(dialogue, command)
        centre = (await dialogue.ask("AT+CSCA?")).value("+CSCA:") or ""
        if centre.startswith('""'):
            raise TroubleError("the SIM names no message centre; set it in a phone (AT+CSCA)")

    async def _unlock(self, *, may_unlock: bool) -> None:
        state = await until(lambda: _pin(self.dialogue), SIM_READY_S, "the SIM does not answer")
        if state == "READY":
            return
        pin = self.settings.pin
        if state != "SIM PIN" or pin is None or not may_unlock:
            wanted = "set modem.pin" if state == "SIM PIN" and pin is None else "look at the SIM"
            raise TroubleError(f"the SIM wants {state}; {wanted}")
        left = (await self.dialogue.ask("AT+SPIC")).value("+SPIC:") or "0"
        if number(left.partition(",")[0]) < 2:  # noqa: PLR2004 - the last try is a person's
            raise TroubleError("the SIM has one try for its PIN left; give it in a phone")
        try:
            await self.dialogue.ask(f'AT+CPIN="{pin}"')
        except FailedError as error:
            raise WrongPinError(f"the SIM refuses the PIN ({error.error}); look at it") from None
        except SilentError:  # it quotes the command, which is the PIN
            raise SilentError("no answer to the PIN") from None

    async def _next(self) -> str:
        """Return where a text was stored; empty: it is time to look, or there is trouble."""
        waits = [
            asyncio.ensure_future(each)
            for each in (self._stored.get(), self.dialogue.lost.wait(), self.over.wait())
        ]
        try:
            await asyncio.wait(waits, timeout=POLL_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            return str(waits[0].result()) if waits[0].done() else ""
        finally:
            for each in waits:
                each.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _fetch(self, place: str) -> None:
        """Read the text stored at ``place``, and delete it."""
        lines = (await self.dialogue.ask(f"AT+CMGR={place}")).lines
        if len(lines) > 1:
            self._heard(lines[-1])
        await self.dialogue.ask(f"AT+CMGD={place}")

    def _told(self, told: Told) -> None:
        if told.pdu:
            self._heard(told.pdu)
        elif told.line.startswith("+CMTI:"):
            self._stored.put_nowait(told.line.rpartition(",")[2].strip())
        elif told.line.startswith("+CUSD:"):
            if self._ussd is not None and not self._ussd.done():
                self._ussd.set_result(ussd_text(told.line))
        elif told.line.startswith(BOOTS) and not self._booting:
            log.warning("modem_reset", said=told.line)
            self.over.set()
        elif "VOLTAGE" in told.line:
            log.warning("modem_voltage", said=told.line)
            self.status.trouble = told.line


class WrongPinError(TroubleError):
    """The PIN was refused: another try may lock the SIM."""


async def until(found: Callable[[], Awaitable[T | None]], within_s: float, trouble: str) -> T:
    """Return what ``found`` returns once it is something; ask every second.

    Raises:
        TroubleError: ``trouble``: it was nothing for ``within_s``.
    """
    try:
        async with asyncio.timeout(within_s):
            while not (value := await found()):
                await asyncio.sleep(1.0)
    except TimeoutError:
        raise TroubleError(trouble) from None
    return value


async def tried(dialogue: Dialogue, command: str, within_s: float = SMS_S) -> None:
    """Ask ``command``; a module that does not know it goes without."""
    try:
        await dialogue.ask(command, within_s)
    except FailedError as error:
        log.info("modem_refused", command=command, error=error.error)


def number(text: str | None, default: int = 0) -> int:
    """Return the number in ``text``, or ``default``."""
    return int(text) if text is not None and text.strip().isdigit() else default


def ussd_text(line: str) -> str:
    """Return the text of a USSD answer; some say that it is GSM and write UCS-2 in hex."""
    found = USSD.match(line)
    text = found[1] or "" if found is not None else ""
    if HEX.fullmatch(text):
        return bytes.fromhex(text).decode("utf-16-be", errors="replace")
    return text


async def _accepted(dialogue: Dialogue, command: str) -> bool:
    try:
        await dialogue.ask(command, SMS_S)
    except FailedError:
        return False
    return True


async def _pin(dialogue: Dialogue) -> str | None:
    try:
        return (await dialogue.ask("AT+CPIN?")).value("+CPIN:")
    except FailedError as error:
        if error.error == "CME 14":  # busy: it has only just been switched on
            return None
        raise TroubleError(f"the SIM cannot be used: {error.error}") from None
