"""A stand-in for Twilio's API, on this machine: it answers in its form, or fails as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import ClientConnectorError, ClientSession, web
from twilio.request_validator import RequestValidator

from tests.chaos.faults import Faults
from tests.providers.http_peer import AFTER, HANGS_S, listening

ACCOUNT = "AC" + "0" * 32
TOKEN = "a-token-of-tests"  # noqa: S105 - of no account
CREATED = 201
MESSAGES = "/2010-04-01/Accounts/{sid}/Messages.json"
MESSAGE = "/2010-04-01/Accounts/{sid}/Messages/{name}.json"
# A fault before a text was taken.
BEFORE: dict[str, tuple[int, int] | str] = {
    "later": (429, 20429),
    "broken": (500, 20500),
    "drops before": "drop",
}


class Peer:
    """What it was asked, and how it answers.

    answers: what each next request gets; afterwards it takes every text.
    An answer is a status with a code, as (429, 20429), or a word: hang, drop, garbage.
    """

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.answers: list[tuple[int, int] | str] = []
        self.asked: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.headers = {"Retry-After": "7"}
        self.messages: list[dict[str, Any]] = []
        self.connections = set[Any]()
        self.api = ""
        self._hung = asyncio.Event()
        self._calls = set[asyncio.Task[None]]()
        self.called_back: list[int] = []
        self.statuses: list[str] = []

    def holds(self, body: str, to: str, ago: timedelta = timedelta(), **more: Any) -> str:
        """Have a text already. Return its name."""
        made = format_datetime(datetime.now(UTC) - ago)
        message = {"body": body, "to": to, "status": "sent", "date_created": made} | more
        message["sid"] = f"SM{len(self.messages):032x}"
        self.messages.insert(0, message)
        return str(message["sid"])

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Take a text, or fail as it was told."""
        self.asked.append(request.method)
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form)
        fault = self.faults.next(form["To"])
        failed = await self._failed(request, BEFORE.get(fault))
        if failed is not None:
            return failed
        sid = self.holds(form["Body"], form["To"], status="queued")
        if "StatusCallback" in form:
            self._calls.add(asyncio.create_task(self._call_back(form["StatusCallback"], sid)))
        self.faults.taken[form["To"]] += 1
        after = await self._failed(request, AFTER.get(fault, ""))
        return after or web.json_response({"sid": sid, "status": "queued"}, status=CREATED)

    async def list(self, request: web.Request) -> web.StreamResponse:
        """Return the texts to a number, the newest first."""
        self.asked.append(request.method)
        failed = await self._failed(request)
        if failed is not None:
            return failed
        to = request.query.get("To")
        found = [each for each in self.messages if each["to"] == to]
        return web.json_response({"messages": found, "next_page_uri": None, "page": 0})

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        """Return one text, with the next status of those it is told to go through."""
        self.asked.append(request.method)
        message = next(each for each in self.messages if each["sid"] == request.match_info["name"])
        if self.statuses:
            message["status"] = self.statuses.pop(0)
            message["error_code"] = 30003 if message["status"] == "undelivered" else None
        return web.json_response(message)

    async def _call_back(self, url: str, sid: str) -> None:
        """Say of a text that it was sent, and that it arrived; sign both."""
        async with ClientSession() as session:
            for status in ("sent", "delivered"):
                fields = {"MessageSid": sid, "MessageStatus": status, "ErrorCode": ""}
                signature = RequestValidator(TOKEN).compute_signature(url, fields)
                headers = {"X-Twilio-Signature": signature}
                with suppress(ClientConnectorError):  # whoever is not there hears nothing
                    async with session.post(url, data=fields, headers=headers) as answer:
                        self.called_back.append(answer.status)

    async def _failed(
        self, request: web.Request, answer: tuple[int, int] | str | None = None
    ) -> web.StreamResponse | None:
        self.connections.add(request.transport)
        if answer is None:
            answer = self.answers.pop(0) if self.answers else ""
        if answer == "hangs":
            await asyncio.sleep(HANGS_S)
        if answer == "hang":
            await self._hung.wait()
        if answer == "drop" and request.transport is not None:
            request.transport.abort()
        if answer == "garbage":
            return web.Response(text="<html>", status=CREATED)
        if answer in {"null", "[]"}:
            return web.Response(text=answer, status=CREATED)
        if answer == "proxy":
            return web.Response(text="<html>", status=502)
        if isinstance(answer, tuple):
            status, code = answer
            error = {"code": code, "message": f"no\x07 {TOKEN}", "status": status}
            return web.json_response(error, status=status, headers=self.headers)
        return None

    def let_go(self) -> None:
        """Answer what hangs."""
        self._hung.set()


@asynccontextmanager
async def twilio(faults: Faults | None = None) -> AsyncIterator[Peer]:
    """Enter with a stand-in that listens on a port of its own. faults: what it does by chance."""
    peer = Peer(faults or Faults(0, {}))
    async with listening(
        web.post(MESSAGES, peer.create),
        web.get(MESSAGES, peer.list, allow_head=False),
        web.get(MESSAGE, peer.fetch, allow_head=False),
    ) as peer.api:
        try:
            yield peer
        finally:
            peer.let_go()
            await asyncio.gather(*peer._calls)
