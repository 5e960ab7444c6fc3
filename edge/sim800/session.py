"""One opened modem: initialised, registered, listened to.

A module that starts anew, or asks to be looked after, makes the session ``over``. Times: SIM800
Series AT Command Manual V1.12, the command's section.
"""

import asyncio
import re
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

import structlog

from edge.sim800.at import Told
from edge.sim800.dialogue import Dialogue, FailedError, SilentError
from edge.sim800.inbox import Inbox
from edge.sim800.port import PortLostError
from edge.sim800.states import Settings, State, Status
from edge.sim800.unlock import Pins, unlock
from edge.sim800.waiting import TroubleError, number, tried, until, ussd_text

BALANCE_S = 60.0
TEXTS_READY_S, REGISTERED_S = 30.0, 120.0
POLL_EVERY_S = 60.0
UNKNOWN_SIGNAL = 99  # of AT+CSQ, 3.2.35
BOOTS = ("RDY", "+CFUN: 1", "Call Ready", "SMS Ready", "NORMAL POWER")
CLOCK = re.compile(r'"(\d\d)/(\d\d)/(\d\d),(\d\d):(\d\d):(\d\d)([+-]\d\d)"')
PLAUSIBLE = datetime(2024, 1, 1, tzinfo=UTC)  # a module without the time says 2004

T = TypeVar("T")
log = structlog.get_logger()


class Session:
    """A dialogue with a modem. over: it has to be brought back. ready: texts can be sent."""

    def __init__(self, settings: Settings, status: Status, inbox: Inbox, pins: Pins) -> None:
        """Open the port.

        Raises:
            PortLostError: it cannot be opened.
        """
        self.over = asyncio.Event()
        self.ready = False
        self.settings = settings
        self.status = status
        self._inbox = inbox
        self._pins = pins
        self._ussd: asyncio.Future[str] | None = None
        self.dialogue = Dialogue(settings.port, settings.baud, self._told)

    async def start(self) -> None:
        """Bring it to where it can send.

        Raises:
            TroubleError, SilentError, FailedError, PortLostError: it could not be.
        """
        await self.dialogue.wake()
        await self._initialise()
        self.status.state = State.SEARCHING
        await until(self.registered, REGISTERED_S, "no network")
        await self._inbox.look(self.dialogue)
        self.over.clear()
        self.ready = True

    async def watch(self) -> None:
        """Read what comes until it is over.

        Raises:
            TroubleError, SilentError, FailedError, PortLostError: it is, for that reason.
        """
        try:
            while not self.over.is_set():
                await self._look()
        finally:
            self.ready = False

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
            await self.dialogue.ask(f'AT+CUSD=1,"{self.settings.balance}",15')
            self.status.balance = await self._meanwhile(self._ussd, BALANCE_S)
        except (SilentError, FailedError, TimeoutError) as error:
            log.warning("balance_unknown", reason=str(error) or "no answer")
        finally:
            self._ussd = None

    async def _initialise(self) -> None:
        dialogue = self.dialogue
        for command in ("ATE0V1Q0", "AT+CMEE=1", "AT+CSCLK=0"):
            await tried(dialogue, command)
        if (await dialogue.ask("AT+IPR?")).value("+IPR:") == "0":  # silent when it starts anew
            await tried(dialogue, f"AT+IPR={self.settings.baud};&W")
        await unlock(dialogue, self.settings.pin, self._pins)
        await until(lambda: tried(dialogue, "AT+CMGF=0"), TEXTS_READY_S, "the SIM is not ready")
        for command in (
            "AT+CREG=1",
            "AT+CSMS=0",
            'AT+CPMS="SM","SM","SM"',  # else texts may be stored where they are not looked for
            "AT+CNMI=2,1,0,1,0",
            "AT+CLTS=1",
        ):
            await tried(dialogue, command)
        centre = (await dialogue.ask("AT+CSCA?")).value("+CSCA:") or ""
        if centre.startswith('""'):
            raise TroubleError("the SIM names no message centre; set it in a phone (AT+CSCA)")

    async def _look(self) -> None:
        """Wait for a text that is stored, and fetch it; when there is none, look at the network."""
        try:
            place = await self._meanwhile(self._inbox.place(), POLL_EVERY_S)
        except TimeoutError:
            if not self.over.is_set() and not await self.registered():
                raise TroubleError("no network any more") from None
        else:
            await self._inbox.fetch(self.dialogue, place)

    async def _meanwhile(self, awaited: Awaitable[T], within_s: float) -> T:
        """Return what ``awaited`` gives.

        Raises:
            TimeoutError: it took longer, or the session is over. PortLostError: the port is gone.
        """
        wanted = asyncio.ensure_future(awaited)
        ends = [asyncio.ensure_future(each.wait()) for each in (self.dialogue.lost, self.over)]
        try:
            await asyncio.wait(
                [wanted, *ends], timeout=within_s, return_when=asyncio.FIRST_COMPLETED
            )
            if wanted.done():
                return wanted.result()
        finally:
            for each in (wanted, *ends):
                each.cancel()
            await asyncio.gather(wanted, *ends, return_exceptions=True)
        if self.dialogue.lost.is_set():
            raise PortLostError("the port is gone")
        raise TimeoutError

    def _told(self, told: Told) -> None:
        self._inbox.told(told)
        if told.line.startswith("+CUSD:"):
            if self._ussd is not None and not self._ussd.done():
                self._ussd.set_result(ussd_text(told.line))
        elif told.line.startswith(BOOTS) and self.ready:
            log.warning("modem_reset", said=told.line)
            self.over.set()
        elif "VOLTAGE" in told.line:
            log.warning("modem_voltage", said=told.line)
            self.status.trouble = told.line
