"""The SIM, asked until it is ready; and its PIN, given so that a wrong one never locks the SIM.

A PIN that cost a try is not given again to that SIM, also after a restart. One that cost none may
be: modules start anew just after it, and lose their power. Times: SIM800 Series AT Command Manual
V1.12, the command's section.
"""

import hashlib
import os
from pathlib import Path

import msgspec
import structlog

from edge.sim800.dialogue import Dialogue, FailedError, SilentError
from edge.sim800.waiting import TroubleError, number, until

SIM_READY_S = 30.0
PIN_S = 30.0  # AT+CPIN, 3.2.28: 5, and a SIM that has just been switched on takes longer
LEAST_TRIES = 2  # the last one is a person's

log = structlog.get_logger()


class Given(msgspec.Struct, frozen=True):
    """A PIN that a SIM was given. key: tells the two from others. left: tries before that."""

    key: str
    left: int


class Pins:
    """Which PIN was given and not seen to be accepted, kept at ``path``; None: in memory only."""

    def __init__(self, path: Path | None) -> None:
        """Remember what was noted at ``path``."""
        self._path = path
        self._given: Given | None = None
        if path is None:
            return
        try:
            self._given = msgspec.json.decode(path.read_bytes(), type=Given)
        except FileNotFoundError:
            return
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            log.warning("pin_forgotten", reason=str(error))

    def refused(self, key: str, left: int) -> bool:
        """Return whether the PIN of ``key`` cost a try: of those before it fewer are ``left``."""
        return self._given is not None and self._given.key == key and left < self._given.left

    def note(self, given: Given | None) -> None:
        """Remember that a PIN is being ``given``; None: that it was accepted."""
        self._given = given
        if self._path is None:
            return
        try:
            if given is None:
                self._path.unlink(missing_ok=True)
            else:
                _write(self._path, msgspec.json.encode(given))
        except OSError as error:  # a full disk keeps no text back; the last try is kept in any case
            log.warning("pin_not_remembered", reason=str(error))


async def unlock(dialogue: Dialogue, pin: str | None, pins: Pins) -> None:
    """Return when the SIM is ready; give it ``pin`` if it wants one, and that is safe.

    Raises:
        TroubleError: it is not, and a person has to look at it, or it takes too long.
        SilentError, FailedError, PortLostError: the modem does not answer.
    """
    state = await _state(dialogue)
    if state == "READY":
        pins.note(None)  # also where it was not seen to be at once
        return
    if state != "SIM PIN" or pin is None:
        wanted = "set modem.pin" if state == "SIM PIN" else "look at the SIM"
        raise TroubleError(f"the SIM wants {state}; {wanted}")
    tries = (await dialogue.ask("AT+SPIC")).value("+SPIC:") or "0"
    left, key = number(tries.partition(",")[0]), await _key(dialogue, pin)
    if left < LEAST_TRIES:
        raise TroubleError("the SIM has one try for its PIN left; give it in a phone")
    if pins.refused(key, left):
        raise TroubleError("the SIM refused its PIN before; correct modem.pin")
    pins.note(Given(key, left))
    await _give(dialogue, pin)
    if await _state(dialogue) == "READY":
        pins.note(None)


async def _state(dialogue: Dialogue) -> str:
    """Return what the SIM wants, or READY; one that was just switched on may not know it yet."""
    said = "no answer"

    async def asked() -> str | None:
        nonlocal said
        try:
            said = (await dialogue.ask("AT+CPIN?")).value("+CPIN:") or said
        except FailedError as error:
            said = error.error
            return None
        return None if said == "no answer" or said.startswith("NOT ") else said

    try:
        return await until(asked, SIM_READY_S, "")
    except TroubleError:
        raise TroubleError(f"the SIM cannot be used: {said}") from None


async def _give(dialogue: Dialogue, pin: str) -> None:
    """Give the SIM its PIN; what goes wrong is told without it."""
    try:
        await dialogue.ask(f'AT+CPIN="{pin}"', PIN_S)
    except FailedError as error:
        raise TroubleError(f"the SIM refuses the PIN ({error.error}); look at it") from None
    except SilentError:
        raise TroubleError("the SIM does not say whether it takes the PIN") from None


async def _key(dialogue: Dialogue, pin: str) -> str:
    """Return what tells this SIM with this PIN from others."""
    try:
        card = "".join((await dialogue.ask("AT+CCID")).lines)
    except FailedError:
        card = ""
    return hashlib.sha256(f"{card} {pin}".encode()).hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Store ``content`` at ``path`` before anything else happens; only we may read it."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123 - by its descriptor
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
