"""Asking a modem until it says what was hoped for; and reading what it says."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from edge.sim800.dialogue import ANSWER_S, Dialogue, FailedError

USSD = re.compile(r'\+CUSD: ?\d+(?:,"(.*?)"?(?:, ?(\d+))?)?', re.DOTALL)
HEX = re.compile(r"(?:[0-9A-Fa-f]{4})+")
UCS2 = {"8", "17", "72"}  # 3GPP TS 23.038, 5; 8 is what it would be in a text

T = TypeVar("T")
log = structlog.get_logger()


class TroubleError(Exception):
    """Something stands in the way that the next rung may remove."""


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


async def tried(dialogue: Dialogue, command: str, within_s: float = ANSWER_S) -> bool:
    """Return whether ``command`` is accepted; a module that does not know it goes without."""
    try:
        await dialogue.ask(command, within_s)
    except FailedError as error:
        log.info("modem_refused", command=command, error=error.error)
        return False
    return True


def number(text: str | None, default: int = 0) -> int:
    """Return the number in ``text``, or ``default``; latin-1 has digits that are no numbers."""
    return int(text) if text is not None and text.strip().isdecimal() else default


def ussd_text(line: str) -> str:
    """Return the text of a USSD answer; some say that it is GSM and write UCS-2 in hex."""
    found = USSD.fullmatch(line)
    text = (found[1] or "") if found is not None else ""
    if found is None or not HEX.fullmatch(text):
        return text
    read = bytes.fromhex(text).decode("utf-16-be", errors="replace")
    return read if found[2] in UCS2 or _likely(text, read) else text


def _likely(text: str, read: str) -> bool:
    """Return whether ``text`` is hex for ``read``, and not just a number of so many digits."""
    rows = {text[at : at + 2] for at in range(0, len(text), 4)}
    spaced = "00" in rows and not text.isdecimal()  # a space, a digit, a letter of English
    return (spaced or rows == {"00"}) and "".join(read.split()).isprintable()
