"""One part of a text, given to the modem; and what each answer means."""

import asyncio
from collections.abc import Callable

from edge.sim800.at import Reply
from edge.sim800.codes import NO_CREDIT, Reaction, reaction
from edge.sim800.dialogue import FailedError, SilentError
from edge.sim800.pdu import Part
from edge.sim800.port import PortLostError
from edge.sim800.session import Session
from edge.sim800.states import Outcome, Result
from edge.sim800.waiting import number

SEND_S = 60.0  # AT+CMGS, 4.2.5
DELETE_S = 25.0  # AT+CMGD of many, 4.2.1
SOON_S, SLOW_S, REST_S = 5.0, 60.0, 300.0
TRIES = 3
SUSPICIOUS = 2  # refusals in a row that may mean that there is no credit


class Sender:
    """Sends parts; it remembers whether there may be no credit."""

    def __init__(self) -> None:
        """Suspect nothing."""
        self._suspicions = 0

    async def send(self, session: Session, part: Part, written: Callable[[], None]) -> Result:
        """Send ``part`` and return what became of it; what may soon go better is tried again.

        A full memory is emptied, and that is worth one more try.
        """
        emptied = False
        for _ in range(TRIES):
            if not session.ready or session.over.is_set():
                return not_ready()
            result = await self._try(session, part, written)
            if result.outcome is not Outcome.NOT_SENT or result.retry_in_s:
                return result
            full = reaction(result.reason, given=False) is Reaction.MEMORY_FULL
            if full and emptied:
                break
            emptied = emptied or full
            await asyncio.sleep(SOON_S)
        return Result(Outcome.NOT_SENT, reason=result.reason, retry_in_s=SLOW_S)

    async def _try(self, session: Session, part: Part, written: Callable[[], None]) -> Result:
        given = False

        def about_to() -> None:
            nonlocal given
            written()
            given = True

        try:
            await session.dialogue.ask("AT+CMGF=0")  # some forget it
            reply = await _given(session, f"AT+CMGS={part.length}", part.pdu, about_to)
        except FailedError as error:
            await self._look(session, error.error)
            return self._judged(session, error.error, given=False)
        except (PortLostError, SilentError) as error:
            session.over.set()  # it is looked after
            if given:
                return Result(Outcome.UNKNOWN, reason=str(error))
            return Result(Outcome.NOT_SENT, reason=str(error), retry_in_s=SOON_S)
        if reply.error is None:
            return self._accepted(session, reply)
        await self._look(session, reply.error)
        return self._judged(session, reply.error, given=True)

    def _accepted(self, session: Session, reply: Reply) -> Result:
        """Return what an OK means; without a reference it may be one to something else."""
        reference = number((reply.value("+CMGS:") or "").partition(",")[0], -1)
        if reference < 0:
            session.over.set()  # it is looked after
            return Result(Outcome.UNKNOWN, reason="OK without a reference")
        self._suspicions = 0
        return Result(Outcome.SENT, (reference,))

    async def _look(self, session: Session, error: str) -> None:
        """Look after what may be behind ``error``."""
        try:
            if error in NO_CREDIT:
                self._suspicions += 1
                if self._suspicions == SUSPICIOUS:
                    await session.ask_balance()
            if reaction(error, given=True) is Reaction.MEMORY_FULL:
                await session.dialogue.ask("AT+CMGD=1,2", DELETE_S)  # what was read, and sent
        except (SilentError, FailedError, PortLostError):
            session.over.set()

    def _judged(self, session: Session, error: str, *, given: bool) -> Result:
        """Return what ``error`` means for the text."""
        found = reaction(error, given=given)
        if found is Reaction.REINITIALISE:
            session.over.set()
        if found is Reaction.ROUTE_FATAL:
            session.status.trouble = f"the SIM cannot send: {error}"
        return Result(
            OUTCOMES.get(found, Outcome.NOT_SENT),
            reason=error,
            retry_in_s=RETRIES.get(found, 0.0),
            route_down=found is Reaction.ROUTE_FATAL,
        )


OUTCOMES = {
    Reaction.SENT: Outcome.SENT,
    Reaction.UNKNOWN: Outcome.UNKNOWN,
    Reaction.MESSAGE_FATAL: Outcome.FAILED,
}
RETRIES = {
    Reaction.RETRY_SLOW: SLOW_S,
    Reaction.REINITIALISE: SOON_S,
    Reaction.ROUTE_FATAL: REST_S,
}


def not_ready() -> Result:
    """Return what becomes of a text while there is no modem to take it."""
    return Result(Outcome.NOT_SENT, reason="it is not ready", retry_in_s=SOON_S)


async def _given(session: Session, command: str, pdu: str, about_to: Callable[[], None]) -> Reply:
    """Return the answer to a text; a module that starts anew meanwhile never gives one."""
    giving = asyncio.ensure_future(session.dialogue.give(command, pdu, about_to, SEND_S))
    over = asyncio.ensure_future(session.over.wait())
    try:
        await asyncio.wait({giving, over}, return_when=asyncio.FIRST_COMPLETED)
        if not giving.done():
            raise SilentError(f"{command}: the modem was reset meanwhile")
        return giving.result()
    finally:
        over.cancel()
        giving.cancel()
        await asyncio.gather(giving, over, return_exceptions=True)
