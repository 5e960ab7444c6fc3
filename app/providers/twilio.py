"""Text messages by Twilio, with its own SDK.

What the SDK leaves to its caller is in ``_Http``: a deadline for each request, connections that are
kept, whether a request left, and what Retry-After said. It tries nothing twice.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Self

import aiohttp
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http.response import Response
from twilio.rest import Client

from app.providers.given import read_seconds
from app.providers.provider import Answer, Outgoing, Receipt, Verdict, one_line
from app.providers.twilio_account import Account, read_account
from app.providers.twilio_answers import BAD, refused, status_of

CALLS = 50
VALID_S = (6, 36_000)  # Message resource, ValidityPeriod: 1 to 36,000; more than 5 is recommended
LOOKED_AT = 50  # of a number's newest texts, when one may be there already
EARLIER = timedelta(minutes=10)  # before an attempt was called unknown: our deadline, and clocks
# What the SDK raises; the last four of an answer that is not the JSON it looks for.
REFUSALS = (
    TwilioException,
    aiohttp.ClientError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
)


class Twilio:
    """Carries texts to one account. One event loop uses it."""

    at_once = 1
    calls = CALLS

    def __init__(self, account: Account) -> None:
        """Make one for ``account``."""
        self._account = account
        self._http = _Http(account.timeout_s)
        self._client = Client(
            account.key or account.sid, account.secret, account.sid, http_client=self._http
        )
        if account.api:
            self._client.api.base_url = account.api

    @classmethod
    def from_url(cls, url: str, secret: str | None) -> Self:
        """Return one for the account at ``url``: see ``twilio_account.read_account``.

        Raises:
            SettingsError: a part of it is wrong.
        """
        return cls(read_account(url, secret))

    async def send(self, texts: Sequence[Outgoing]) -> list[Answer]:
        """Return what became of each of ``texts``, in order, each within two time-outs."""
        return [await self._carried(text) for text in texts]

    async def receipt(self, reference: str) -> Receipt | None:
        """Return what became of the text that Twilio calls ``reference``; None: nothing final."""
        with suppress(*REFUSALS):
            async with self._request(_Seen()):
                return _final(await self._client.messages(reference).fetch_async())
        return None

    async def close(self) -> None:
        """Close the connections that are kept."""
        await self._http.close()

    async def _carried(self, text: Outgoing) -> Answer:
        if text.tried_since is not None:
            there = await self._asked(self._looked_up(text, text.tried_since))
            if there.reference or there.verdict in {Verdict.DOWN, Verdict.RETRY}:
                return there
            if there.verdict is not Verdict.SENT:  # of the look-up: it says nothing of the text
                return Answer(Verdict.RETRY, reason=f"not looked up: {there.reason}")
        return await self._asked(self._created(text))

    async def _asked(self, request: Any) -> Answer:
        """Return what became of a request; what it raises is an answer too."""
        seen = _Seen()
        try:
            async with self._request(seen):
                answer: Answer = await request
                return answer
        except REFUSALS as error:
            return self._failed(error, seen)

    @asynccontextmanager
    async def _request(self, seen: "_Seen") -> AsyncIterator[None]:
        """Enter to make one request within the deadline; ``seen`` is what is known of it."""
        before = SEEN.set(seen)
        try:
            async with asyncio.timeout(self._account.timeout_s):
                yield
        finally:
            SEEN.reset(before)

    async def _created(self, text: Outgoing) -> Answer:
        left_s = (text.useful_until - datetime.now(UTC)).total_seconds()
        optional = {
            "from_": self._account.sender,
            "messaging_service_sid": self._account.service,
            "status_callback": text.callback,
        }
        made = await self._client.messages.create_async(
            to=text.address,
            body=text.text,
            validity_period=round(min(max(left_s, VALID_S[0]), VALID_S[1])),
            **{name: value for name, value in optional.items() if value},
        )
        if not made.sid:
            return Answer(Verdict.UNKNOWN, reason="Twilio did not name the text")
        return Answer(Verdict.SENT, reference=made.sid)

    async def _looked_up(self, text: Outgoing, since: datetime) -> Answer:
        """Return what became of ``text`` if it is there already; SENT without a name: it is not."""
        found = await self._client.messages.list_async(
            to=text.address, limit=LOOKED_AT, page_size=LOOKED_AT
        )
        for each in found:
            made = each.date_created
            if made is None or made < since - EARLIER or not (each.body or "").endswith(text.text):
                continue
            lost = _final(each)
            if lost is None or lost.arrived:
                return Answer(Verdict.SENT, reference=each.sid or "")
            if not lost.again:
                reference = each.sid or ""
                return Answer(Verdict.REFUSED, reference, reason=lost.reason, dead=lost.dead)
        return Answer(Verdict.SENT)

    def _failed(self, error: Exception, seen: "_Seen") -> Answer:
        if isinstance(error, TwilioRestException):
            return refused(error.status, error.code, self._plain(error.msg), seen.after_s)
        if isinstance(error, TwilioServiceException):
            return refused(error.status, error.code, self._plain(error.title), seen.after_s)
        if seen.status >= BAD:  # an error that is none of Twilio's: a proxy's, perhaps
            return refused(seen.status, None, "what it says cannot be read", seen.after_s)
        if isinstance(
            error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError
        ):
            return Answer(Verdict.DOWN, reason=self._plain(f"a certificate is wrong: {error}"))
        said = "no answer in time" if isinstance(error, TimeoutError) else self._plain(str(error))
        what = said or type(error).__name__
        if seen.left:
            return Answer(Verdict.UNKNOWN, reason=f"{what}; it may have been sent")
        return Answer(Verdict.RETRY, reason=what)

    def _plain(self, said: str) -> str:
        return one_line(said.replace(self._account.secret, "…"))


def _final(message: Any) -> Receipt | None:
    """Return what is known of a text, as its receipt would say it; None: nothing final."""
    code = str(message.error_code or "")
    fields = {"MessageSid": message.sid or "", "MessageStatus": str(message.status)}
    return status_of(fields | {"ErrorCode": code})


class _Seen:
    """What is known of one request. left: it may have reached Twilio."""

    def __init__(self) -> None:
        self.left = False
        self.status = 0
        self.after_s: float | None = None


SEEN: ContextVar[_Seen] = ContextVar("SEEN")


class _Http:
    """Carries the SDK's requests over kept connections; of the form of its AsyncHttpClient."""

    is_async = True

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the SDK's own form
        allow_redirects: bool = False,
    ) -> Response:
        """Return Twilio's answer to one request."""
        seen = SEEN.get()
        signed_in = {"Authorization": aiohttp.encode_basic_auth(*auth)} if auth else {}
        if self._session is None:  # within the loop that uses it
            self._session = self._opened()
        async with self._session.request(
            method,
            uri,
            params=params,
            data=data,
            headers=(headers or {}) | signed_in,
            allow_redirects=allow_redirects,
            trace_request_ctx=seen,
        ) as response:
            seen.status = response.status
            seen.after_s = read_seconds(response.headers.get("Retry-After", ""))
            return Response(response.status, await response.text(errors="replace"))

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_left)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CALLS),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._timeout_s),
            trace_configs=[trace],
        )


async def _left(_session: Any, context: SimpleNamespace, _: Any) -> None:
    seen: _Seen = context.trace_request_ctx
    seen.left = True
