"""Commands and answers over a port: one at a time, each with its time limit."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
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
        self._reply: asyncio.Future[Reply | None] | None = None  # None in it: the port is gone
        self._prompt: asyncio.Future[None] | None = None
        self._turn = asyncio.Lock()
        self._port = Port(path, baud, self._heard)

    async def ask(self, command: str, within_s: float = ANSWER_S) -> Reply:
        """Return the answer to ``command``.

        Raises:
            SilentError: there is none. FailedError: it is an error. PortLostError: it is gone.
        """
        async with self._asking(command):
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
        async with self._asking(command, prompts=True):
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
        async with self._turn:  # else it would end a text that is being given
            self._write(ESC)  # a prompt may be open
            await asyncio.sleep(SETTLE_S)
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

    @asynccontextmanager
    async def _asking(self, command: str, *, prompts: bool = False) -> AsyncIterator[None]:
        """Write ``command`` when it is its turn; what still comes after the block is nobody's."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            self._reply, self._prompt = loop.create_future(), loop.create_future()
            try:
                self._write(self._machine.command(command, prompts=prompts))
                yield
            finally:
                self._reply = self._prompt = None
                self._machine.give_up()

    async def _prompted(self, command: str) -> None:
        """Return when the prompt is there."""
        assert self._prompt is not None  # noqa: S101 - only called while asking
        assert self._reply is not None  # noqa: S101
        waits: list[asyncio.Future[Any]] = [self._prompt, self._reply]
        await asyncio.wait(waits, timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
        if self._reply.done():
            reply = await self._answer(command, ANSWER_S)
            raise FailedError(command, reply.error or "ERROR")
        if not self._prompt.done():
            await self._forget(command)
            raise SilentError(f"{command}: no prompt within {ANSWER_S:g} s")

    async def _answer(self, command: str, within_s: float) -> Reply:
        assert self._reply is not None  # noqa: S101 - only called while asking
        try:
            async with asyncio.timeout(within_s):
                reply = await self._reply
        except TimeoutError:
            raise SilentError(f"{command}: no answer within {within_s:g} s") from None
        if reply is None:
            raise PortLostError("the port is gone")
        return reply

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
                self._reply.set_result(None)
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
