"""Email by a mail server of the user's: SMTP with kept connections."""

import asyncio
from collections.abc import Sequence
from typing import Self

import msgspec

from app.providers.provider import Answer, Outgoing, Verdict
from app.providers.smtp_line import FailedError, Line
from app.providers.smtp_mail import name_of, written
from app.providers.smtp_server import Server, read_server

AT_ONCE = 2  # what a crash leaves unknown is no more than twice this, for each connection
CALLS = 48  # connections side by side; Postfix lets one client have 50
IDLE_S = 30.0  # servers wait 5 minutes (RFC 5321, 4.5.3.2.7), what is between them often less
TIMEOUTS = 3  # a call lasts no longer than so many silent replies


class Smtp:
    """Carries emails to one server. One event loop uses it.

    A connection carries many mails, each a transaction of its own with one recipient, so that no
    address spoils another. A second try of a mail has the Message-ID of the first: see
    ``smtp_mail.name_of``.
    """

    at_once = AT_ONCE
    calls = CALLS

    def __init__(self, server: Server, idle_s: float = IDLE_S) -> None:
        """Make one for ``server``. idle_s: how long a connection is kept unused."""
        self._server = server
        self._kept = _Kept(idle_s)

    @classmethod
    def from_url(cls, url: str, secret: str | None) -> Self:
        """Return one for the server at ``url``: see ``smtp_server.read_server``.

        Raises:
            SettingsError: a part of it is wrong.
        """
        return cls(read_server(url, secret))

    async def send(self, texts: Sequence[Outgoing]) -> list[Answer]:
        """Return what became of each of ``texts``, in order, within three timeouts."""
        call = _Call(self._server, self._kept)
        try:
            return [await call.carried(text) for text in texts]
        finally:
            call.end()

    async def close(self) -> None:
        """Say goodbye on the connections that are not in use; the others are not kept any more."""
        await self._kept.close()


class _Kept:
    """Connections that wait for their next use, the last used one last."""

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._timers: dict[Line, asyncio.TimerHandle] = {}
        self._goodbyes = set[asyncio.Task[None]]()

    def take(self) -> Line | None:
        if not self._timers:
            return None
        line, timer = self._timers.popitem()
        timer.cancel()
        return line

    def keep(self, line: Line) -> None:
        loop = asyncio.get_running_loop()
        self._timers[line] = loop.call_later(self._idle_s, self._part, line)

    def part(self) -> None:
        for line in tuple(self._timers):
            self._part(line)

    async def close(self) -> None:
        self._idle_s = 0.0
        self.part()
        await asyncio.gather(*self._goodbyes)

    def _part(self, line: Line) -> None:
        self._timers.pop(line).cancel()
        task = asyncio.get_running_loop().create_task(line.goodbye())
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)


class _Call:
    """One call of ``send``: its deadline, its connection, and what holds for all that is left."""

    def __init__(self, server: Server, kept: _Kept) -> None:
        self._server, self._kept = server, kept
        self._now = asyncio.get_running_loop().time
        self._deadline = self._now() + TIMEOUTS * server.timeout_s
        self._line: Line | None = None
        self._all: Answer | None = None

    async def carried(self, text: Outgoing) -> Answer:
        try:
            mail = written(text, self._server)
        except ValueError as error:
            return Answer(Verdict.REFUSED, reason=str(error))
        if self._now() >= self._deadline:
            return Answer(Verdict.RETRY, reason="no time was left for it")
        try:
            answer = self._all or await (await self._ready()).carry(mail, text.address)
        except FailedError as failed:
            self._all = answer = failed.answer
        if answer.verdict is Verdict.DOWN:
            self._all = answer
        if answer.verdict is Verdict.SENT:
            return msgspec.structs.replace(answer, reference=name_of(text, self._server))
        return answer

    def end(self) -> None:
        if self._line and self._line.ready:
            self._kept.keep(self._line)
        elif self._line:
            self._line.drop()
        self._line = None

    async def _ready(self) -> Line:
        if self._line and self._line.ready:
            return self._line
        self.end()
        self._line = self._kept.take()
        if self._line:
            self._line.deadline = self._deadline
            if await self._line.is_alive():
                return self._line
            self.end()
            self._kept.part()  # they are older than the one that died
        self._line = Line(self._server, self._deadline)
        await self._line.open()
        return self._line
