"""One connection to a mail server: opened, protected, signed in, and spoken to step by step.

open --ready--> MAIL, RCPT, DATA, the mail --250--> ready
any step --refused--> RSET --> ready; any step --silence, loss--> gone
"""

import asyncio
import socket
from contextlib import suppress

import msgspec
from aiosmtplib import (
    SMTP,
    SMTPConnectResponseError,
    SMTPException,
    SMTPResponse,
    SMTPResponseException,
)
from aiosmtplib.protocol import SMTPProtocol

from app.masking import masked_in
from app.providers.provider import Answer, Verdict, one_line
from app.providers.smtp_answers import DONE, Step, broke, down, replied
from app.providers.smtp_server import HOST, Server

GOODBYE_S = 2.0
CLOSING = 421  # RFC 5321, 3.8: the server says this, then hangs up
TROUBLES = (SMTPException, OSError, ValueError, RuntimeError)  # all that aiosmtplib raises


class FailedError(Exception):
    """The conversation went no further; ``answer`` is what that means for the text."""

    def __init__(self, answer: Answer) -> None:
        """Keep ``answer``."""
        super().__init__(answer.reason)
        self.answer = answer


class Line:
    """A connection. Nothing of it may be used twice at the same time.

    ready: it may carry another mail. deadline: of the call that uses it, in the loop's seconds.
    """

    def __init__(self, server: Server, deadline: float) -> None:
        """Make one to ``server``; it is not open yet."""
        self.ready = False
        self.deadline = deadline
        self._server = server
        self._step = Step.CONNECT
        self._transport: asyncio.BaseTransport | None = None
        self._smtp = SMTP(
            hostname=server.host, port=server.port, use_tls=server.tls_first, start_tls=False,
            tls_context=server.context, local_hostname=_own_name(), timeout=server.timeout_s,
        )  # fmt: skip

    async def open(self) -> None:
        """Connect, begin TLS and sign in.

        Raises:
            FailedError: there is no connection.
        """
        try:
            async with asyncio.timeout_at(self.deadline):
                await self._opening()
            self.ready = True
        except FailedError as failed:
            raise FailedError(self._fit(failed.answer)) from None
        except TROUBLES as error:
            raise FailedError(self._fit(self._meaning(error))) from None
        finally:
            if not self.ready:
                self.drop()

    async def is_alive(self) -> bool:
        """Return whether the server still answers, and has no mail begun."""
        self.ready = False
        with suppress(FailedError, *TROUBLES):
            self.ready = (await self._ask(b"RSET")).code // 100 == DONE
        return self.ready

    async def carry(self, mail: bytes, recipient: str) -> Answer:
        """Return what became of ``mail``; ``ready`` says whether another may follow."""
        self.ready = False
        try:
            answer = await self._conversation(mail, recipient)
        except FailedError as failed:
            answer = failed.answer
        except TROUBLES as error:
            self.drop()
            answer = broke(self._step, error)
        if answer.verdict is Verdict.SENT:
            self.ready = self._smtp.is_connected
        elif self._smtp.is_connected:
            await self.is_alive()
        return self._fit(answer, recipient)

    async def goodbye(self) -> None:
        """Leave as a client should, or after 2 s anyhow."""
        self.ready = False
        with suppress(*TROUBLES):
            await self._smtp.execute_command(b"QUIT", timeout=GOODBYE_S)
        self.drop()

    def drop(self) -> None:
        """Cut the connection. A goodbye of TLS to a server that is silent would last 30 s."""
        self.ready = False
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()
        self._smtp.close()

    async def _opening(self) -> None:
        server, smtp = self._server, self._smtp
        self._step = Step.CONNECT
        await smtp.connect(timeout=self._left_s())
        self._transport = smtp.transport
        await self._greet()
        if server.context and not server.tls_first:
            await self._protect()
        if server.user:
            await self._sign_in()

    async def _greet(self) -> None:
        self._step = Step.EHLO
        await self._smtp.ehlo(timeout=self._left_s())

    async def _protect(self) -> None:
        self._step = Step.STARTTLS
        if not self._smtp.supports_extension("starttls"):
            raise FailedError(down("the server offers no STARTTLS, and it is required"))
        await self._smtp.starttls(timeout=self._left_s())
        self._transport = self._smtp.transport
        await self._greet()

    async def _sign_in(self) -> None:
        self._step = Step.AUTH
        offered, left_s = self._smtp.server_auth_methods, self._left_s()
        user, secret = self._server.user, self._server.secret
        # One way and once: servers lock out who knocks too often with a wrong password.
        if "plain" in offered:
            await self._smtp.auth_plain(user, secret, timeout=left_s)
        elif "login" in offered:
            await self._smtp.auth_login(user, secret, timeout=left_s)
        else:
            raise FailedError(down("the server offers no AUTH PLAIN and no AUTH LOGIN"))

    async def _conversation(self, mail: bytes, recipient: str) -> Answer:
        options = b""
        if not recipient.isascii():
            if not self._smtp.supports_extension("smtputf8"):
                reason = "the mail server takes no address beyond ASCII (SMTPUTF8)"
                return Answer(Verdict.REFUSED, reason=reason)
            options = b" SMTPUTF8 BODY=8BITMIME"  # RFC 6531, 3.4 and 3.6: headers are UTF-8 then
        sender = self._server.sender.encode()
        await self._say(Step.MAIL, b"MAIL FROM:<" + sender + b">" + options)
        await self._say(Step.RCPT, b"RCPT TO:<" + recipient.encode() + b">")
        await self._say(Step.DATA, b"DATA")
        return await self._hand_over(mail)

    async def _say(self, step: Step, command: bytes) -> None:
        self._step = step
        response = await self._ask(command)
        if failed := replied(step, response.code, response.message):
            raise FailedError(failed)

    async def _ask(self, command: bytes) -> SMTPResponse:
        return await self._smtp.execute_command(command, timeout=self._left_s())

    async def _hand_over(self, mail: bytes) -> Answer:
        # Not SMTP.data(): from its errors nobody sees whether the mail had been written.
        protocol, left_s = self._smtp.protocol, self._left_s()
        if not isinstance(protocol, SMTPProtocol):
            raise ConnectionResetError("Connection lost")
        protocol.write(mail.replace(b"\r\n.", b"\r\n..") + b".\r\n")  # RFC 5321, 4.5.2
        self._step = Step.END
        response = await protocol.read_response(timeout=left_s)
        if response.code == CLOSING:
            self.drop()
        failed = replied(Step.END, response.code, response.message)
        return failed or Answer(Verdict.SENT, reason=response.message)

    def _left_s(self) -> float:
        left_s = self.deadline - asyncio.get_running_loop().time()
        if left_s <= 0:
            raise FailedError(
                Answer(Verdict.RETRY, reason=f"{self._step}: no time was left for it")
            )
        return min(left_s, self._server.timeout_s)

    def _meaning(self, error: Exception) -> Answer:
        if isinstance(error, SMTPConnectResponseError):
            self._step = Step.GREETING
        if isinstance(error, SMTPResponseException):
            return replied(self._step, error.code, error.message) or broke(self._step, error)
        return broke(self._step, error)

    def _fit(self, answer: Answer, recipient: str = "") -> Answer:
        reason = answer.reason
        if self._server.gives_away(reason):
            reason = f"{self._step}: the server said no, and repeated what is secret"
        if recipient:
            reason = masked_in(reason, "email", recipient)
        return msgspec.structs.replace(answer, reason=one_line(reason))


def _own_name() -> str:
    """Return what to say in EHLO: this machine's full name if it knows one, without asking DNS."""
    name = socket.gethostname().lower()
    return name if "." in name and HOST.fullmatch(name) else "[127.0.0.1]"
