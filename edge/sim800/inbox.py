"""Texts and reports that come: told as they are, or stored in the SIM first. Each is heard once.

Times: SIM800 Series AT Command Manual V1.12, 4.2.
"""

import asyncio
from collections.abc import Callable

import structlog

from edge.sim800.at import Told
from edge.sim800.dialogue import Dialogue, FailedError

LIST_S = 20.0  # AT+CMGL, 4.2.3

log = structlog.get_logger()


class Inbox:
    """What a modem was sent; it outlives the session in which a text came.

    heard: called with each PDU, of a text or a report.
    """

    def __init__(self, heard: Callable[[str], None]) -> None:
        """Know of nothing."""
        self._heard = heard
        self._places: asyncio.Queue[str] = asyncio.Queue()
        self._undeleted: dict[str, str] = {}  # what was heard and may still be stored, by its place

    async def look(self, dialogue: Dialogue) -> None:
        """Take note of what is stored, and of nothing else."""
        while not self._places.empty():
            self._places.get_nowait()
        try:
            lines = (await dialogue.ask("AT+CMGL=4", LIST_S)).lines
        except FailedError as error:
            log.warning("texts_not_listed", error=error.error)
            return
        for line in lines:
            if line.startswith("+CMGL:"):
                self._note(line.removeprefix("+CMGL:").partition(",")[0])

    def told(self, told: Told) -> None:
        """Take note of what the modem said by itself, if it is about a text."""
        if told.pdu:
            self._tell(told.pdu)
        elif told.line.startswith("+CMTI:"):
            self._note(told.line.rpartition(",")[2])

    async def place(self) -> str:
        """Return where the next text is stored, once there is one."""
        return await self._places.get()

    async def fetch(self, dialogue: Dialogue, place: str) -> None:
        """Read the text at ``place`` and delete it; one that the modem refuses stays there.

        Raises:
            SilentError, PortLostError: the modem does not answer.
        """
        try:
            lines = (await dialogue.ask(f"AT+CMGR={place}")).lines
            if len(lines) > 1 and self._undeleted.get(place) != lines[-1]:
                self._undeleted[place] = lines[-1]
                self._tell(lines[-1])
            await dialogue.ask(f"AT+CMGD={place}")
            self._undeleted.pop(place, None)
        except FailedError as error:
            log.warning("text_left", place=place, reason=str(error))

    def _note(self, place: str) -> None:
        if place.strip().isdecimal():  # anything else is noise
            self._places.put_nowait(place.strip())

    def _tell(self, pdu: str) -> None:
        """Tell of ``pdu``; what goes wrong there is no trouble of the modem."""
        asyncio.get_running_loop().call_soon(self._heard, pdu)
