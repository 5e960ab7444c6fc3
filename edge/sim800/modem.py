"""The modem, kept ready: opened, initialised, watched, and brought back by a ladder.

A rung: ask again, switch the radio off and on, reset the module, open the port anew. From there on
every second one resets it, and the others only ask: a SIM may need longer than a rung takes. After
each it rests, longer each time. Nothing here can cut its power.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from edge.sim800.dialogue import FailedError, SilentError
from edge.sim800.inbox import Inbox
from edge.sim800.pdu import Part
from edge.sim800.port import PortLostError
from edge.sim800.sending import Sender, not_ready
from edge.sim800.session import Session
from edge.sim800.states import Outcome, Result, Settings, State, Status
from edge.sim800.unlock import Pins
from edge.sim800.waiting import TroubleError, tried

__all__ = ["Modem", "Outcome", "Result", "Settings", "State", "Status"]

RADIO_S = 10.0  # AT+CFUN, 3.2.42
LOOK_EVERY_S = 1.0  # for a port that is not there
BOOT_S = 5.0
REST_S = (2.0, 300.0)
DOUBLINGS = 16  # of the rest
RADIO, RESET, REOPEN = 1, 2, 3  # rungs

log = structlog.get_logger()


class Modem:
    """A SIM800 behind a serial port that may come and go.

    status: what is known. heard: called with each PDU that comes, of a text or a report.
    """

    def __init__(self, settings: Settings, heard: Callable[[str], None]) -> None:
        """Stand ready to run."""
        self.status = Status()
        self._settings = settings
        self._inbox = Inbox(heard)
        self._pins = Pins(settings.pins)
        self._ready = asyncio.Event()
        self._session: Session | None = None
        self._sender = Sender()

    async def run(self) -> None:
        """Keep it ready, for ever."""
        rung = 0
        try:
            while True:
                try:
                    await self._up(rung)
                    rung = 0
                    await self._watch()
                    self.status.resets += 1
                except PortLostError as error:
                    self._down(State.ABSENT, str(error))
                    self._close()
                    rung = 0
                    await asyncio.sleep(LOOK_EVERY_S)
                except (TroubleError, SilentError, FailedError) as error:
                    rung = await self._rested(rung, str(error))
                except Exception as error:
                    # Nothing that a modem says may end the edge, which does more than text.
                    log.exception("modem_misunderstood", rung=rung)
                    rung = await self._rested(rung, f"{type(error).__name__}: {error}")
        finally:
            self._close()

    async def ready(self) -> None:
        """Return when a text can be sent."""
        await self._ready.wait()

    async def send(self, parts: Sequence[Part], written: Callable[[], None]) -> Result:
        """Send the ``parts`` of one text, and return what became of it.

        written: called before each part is given to the modem; from then on the text may have been
        sent. If it raises, nothing of that part is, and the error goes on to the caller.
        """
        references: tuple[int, ...] = ()
        for done, part in enumerate(parts):
            result = not_ready()
            if self._session is not None:
                result = await self._sender.send(self._session, part, written)
            if result.outcome is Outcome.SENT:
                references += result.references
            elif done and result.outcome is not Outcome.UNKNOWN:
                reason = f"{done} of {len(parts)} parts were sent, then {result.reason}"
                return Result(Outcome.UNKNOWN, references, reason)
            else:
                return result
        return Result(Outcome.SENT, references)

    async def network_time(self) -> datetime | None:
        """Return the network's time; None if it is not known."""
        if self._session is None or not self._ready.is_set():
            return None
        try:
            return await self._session.network_time()
        except (SilentError, FailedError, PortLostError):
            return None

    async def _up(self, rung: int) -> None:
        """Bring it from nothing to ready, by the means of ``rung``."""
        if self._session is None or rung >= REOPEN or self._session.dialogue.lost.is_set():
            self._close()
            self._session = Session(self._settings, self.status, self._inbox, self._pins)
        session = self._session
        self.status.state = State.INITIALISING
        if rung == RADIO:
            await tried(session.dialogue, "AT+CFUN=0", RADIO_S)
            await tried(session.dialogue, "AT+CFUN=1", RADIO_S)
        elif rung >= RESET and rung % 2 == RESET % 2:
            await session.dialogue.wake()
            await tried(session.dialogue, "AT+CFUN=1,1", RADIO_S)
            await asyncio.sleep(BOOT_S)
        await session.start()
        self.status.state, self.status.trouble = State.READY, ""
        self._ready.set()
        log.info("modem_ready", signal_dbm=self.status.signal_dbm)

    async def _watch(self) -> None:
        assert self._session is not None  # noqa: S101 - it has just been made ready
        try:
            await self._session.watch()
        finally:
            self._ready.clear()

    async def _rested(self, rung: int, trouble: str) -> int:
        """Return the rung after ``rung``, which ``trouble`` ended, once it is time for it."""
        self._down(State.RESTING, trouble)
        first, longest = REST_S
        await asyncio.sleep(min(longest, first * 2.0 ** min(max(0, rung + 1 - REOPEN), DOUBLINGS)))
        return rung + 1

    def _down(self, state: State, trouble: str) -> None:
        if trouble != self.status.trouble:
            log.warning("modem_trouble", reason=trouble)
        self.status.state, self.status.trouble = state, trouble

    def _close(self) -> None:
        self._ready.clear()
        if self._session is not None:
            self._session.dialogue.close()
            self._session = None
