"""Commands and answers over a port: one at a time, each with its time limit."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from edge.sim800.at import ESC, Machine, Prompt, Reply, Told
from edge.sim800.port import Port, PortLostError

ANSWER_S = 5.0  # of what has no time of its own in the manual
FORGETS_S = 1.0
SETTLE_S = 0.3  # in which what was said to somebody else runs out


class SilentError(Exception):
    """The modem did not answer in time."""


class FailedError(Exception):
    """The modem refused. error: as ``edge.sim800.at.Reply`` names it."""

    def __init__(self, command: str, error: str) -> None:
        """Tell that ``command`` failed with ``error``."""
        super().__init__(f"{command}: {error}")
        self.error = error


class Dialogue:
    """One opened port. told: called with what the modem says by itself, and None when it is gone.

    lost: the port is gone, or given up.
    """

    def __init__(self, path: str, baud: int, told: Callable[[Told], None]) -> None:
        """Open the port at ``path``.

        Raises:
            PortLostError: it cannot be opened.
        """
        self.lost = asyncio.Event()
        self._told = told
        self._machine = Machine()
        self._reply: asyncio.Future[Reply] | None = None
        self._prompt: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()
        self._port = Port(path, baud, self._heard)

    async def ask(self, command: str, within_s: float = ANSWER_S) -> Reply:
        """Return the answer to ``command``.

        Raises:
            SilentError: there is none. FailedError: it is an error. PortLostError: it is gone.
        """
        async with self._turn:
            self._write(self._machine.command(command))
            reply = await self._answer(command, within_s)
        if reply.error is not None:
            raise FailedError(command, reply.error)
        return reply

    async def give(
        self, command: str, text: str, about_to: Callable[[], None], within_s: float
    ) -> Reply:
        """Return the answer to ``command`` once ``text`` was given to its prompt.

        about_to: called before that; if it raises, the modem is told to forget it.

        Raises:
            SilentError: there is no prompt, or no answer. FailedError: ``command`` is refused
                before its prompt. PortLostError: the port is gone.
        """
        async with self._turn:
            self._prompt = asyncio.get_running_loop().create_future()
            self._write(self._machine.command(command, prompts=True))
            await self._prompted(command)
            try:
                about_to()
            except BaseException:
                await self._forget(command)
                raise
            self._write(self._machine.data(text))
            return await self._answer(command, within_s)

    async def wake(self, tries: int = 10) -> None:
        """Return once the modem answers at all: it may still find out our speed.

        Raises:
            SilentError: it does not. PortLostError: it is gone.
        """
        await asyncio.sleep(SETTLE_S)
        self._port.write(ESC)  # a prompt may be open
        for _ in range(tries):
            try:
                await self.ask("AT", 0.5)
            except (SilentError, FailedError):
                continue
            else:
                return
        raise SilentError("no answer to AT")

    def close(self) -> None:
        """Give the port back."""
        self._heard(None)
        self._port.close()

    async def _prompted(self, command: str) -> None:
        """Return when the prompt is there."""
        assert self._prompt is not None  # noqa: S101 - only called by ``give``
        reply = self._awaited()
        try:
            async with asyncio.timeout(ANSWER_S):
                waits: list[asyncio.Future[Any]] = [self._prompt, reply]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            await self._forget(command)
            raise SilentError(f"{command}: no prompt within {ANSWER_S:g} s") from None
        if self._prompt.done() and not reply.done():
            return
        raise FailedError(command, reply.result().error or "ERROR")  # or the port is lost

    async def _answer(self, command: str, within_s: float) -> Reply:
        try:
            async with asyncio.timeout(within_s):
                return await self._awaited()
        except TimeoutError:
            self._machine.give_up()
            raise SilentError(f"{command}: no answer within {within_s:g} s") from None
        finally:
            self._reply = None

    def _awaited(self) -> asyncio.Future[Reply]:
        if self._reply is None:
            self._reply = asyncio.get_running_loop().create_future()
        return self._reply

    async def _forget(self, command: str) -> None:
        """Make the modem forget ``command``; its OK to that is no answer to the next one."""
        self._write(ESC)
        with suppress(SilentError):
            await self._answer(command, FORGETS_S)

    def _write(self, data: bytes) -> None:
        if self.lost.is_set():
            raise PortLostError("the port is gone")
        self._port.write(data)

    def _heard(self, data: bytes | None) -> None:
        if data is None:
            self.lost.set()
            if self._reply is not None and not self._reply.done():
                self._reply.set_exception(PortLostError("the port is gone"))
            return
        for event in self._machine.feed(data):
            match event:
                case Told():
                    self._told(event)
                case Prompt():
                    if self._prompt is not None and not self._prompt.done():
                        self._prompt.set_result(None)
                case Reply():
                    if self._reply is not None and not self._reply.done():
                        self._reply.set_result(event)
