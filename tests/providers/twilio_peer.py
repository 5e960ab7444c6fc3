"""A stand-in for Twilio's API, on this machine: it answers in its form, or fails as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from aiohttp import ClientSession, web
from twilio.request_validator import RequestValidator

ACCOUNT = "AC" + "0" * 32
TOKEN = "a-token-of-tests"  # noqa: S105 - of no account
CREATED = 201


class Peer:
    """What it was asked, and how it answers.

    answers: what each next request gets; afterwards it takes every text.
    An answer is a status with a code, as (429, 20429), or a word: hang, drop, garbage.
    """

    def __init__(self) -> None:
        self.answers: list[tuple[int, int] | str] = []
        self.asked: list[str] = []
        self.forms: list[dict[str, str]] = []
        self.headers = {"Retry-After": "7"}
        self.messages: list[dict[str, Any]] = []
        self.connections = set[Any]()
        self.wait_s = 0.0
        self.api = ""
        self._hung = asyncio.Event()
        self._calls = set[asyncio.Task[None]]()
        self.called_back: list[int] = []

    def holds(self, body: str, to: str, ago: timedelta = timedelta(), **more: Any) -> str:
        """Have a text already. Return its name."""
        made = format_datetime(datetime.now(UTC) - ago)
        message = {"body": body, "to": to, "status": "sent", "date_created": made} | more
        message["sid"] = f"SM{len(self.messages):032x}"
        self.messages.insert(0, message)
        return str(message["sid"])

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Take a text, or fail as it was told."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form)
        failed = await self._failed(request)
        if failed is not None:
            return failed
        sid = self.holds(form["Body"], form["To"], status="queued")
        if "StatusCallback" in form:
            self._calls.add(asyncio.create_task(self._call_back(form["StatusCallback"], sid)))
        return web.json_response(self.messages[0] | {"sid": sid}, status=CREATED)

    async def list(self, request: web.Request) -> web.StreamResponse:
        """Return the texts to a number, the newest first."""
        failed = await self._failed(request)
        if failed is not None:
            return failed
        to = request.query.get("To")
        found = [each for each in self.messages if each["to"] == to]
        return web.json_response({"messages": found, "next_page_uri": None, "page": 0})

    async def _call_back(self, url: str, sid: str) -> None:
        """Say of a text that it was sent, and that it arrived; sign both."""
        async with ClientSession() as session:
            for status in ("sent", "delivered"):
                fields = {"MessageSid": sid, "MessageStatus": status, "ErrorCode": ""}
                signature = RequestValidator(TOKEN).compute_signature(url, fields)
                headers = {"X-Twilio-Signature": signature}
                async with session.post(url, data=fields, headers=headers) as answer:
                    self.called_back.append(answer.status)

    async def _failed(self, request: web.Request) -> web.StreamResponse | None:
        self.asked.append(request.method)
        self.connections.add(request.transport)
        if self.wait_s:
            await asyncio.sleep(self.wait_s)
        answer = self.answers.pop(0) if self.answers else ""
        if answer == "hang":
            await self._hung.wait()
        if answer == "drop" and request.transport is not None:
            request.transport.abort()
        if answer == "garbage":
            return web.Response(text="<html>", status=CREATED)
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
async def twilio() -> AsyncIterator[Peer]:
    """Enter with a stand-in that listens on a port of its own."""
    peer = Peer()
    app = web.Application()
    app.router.add_post("/2010-04-01/Accounts/{sid}/Messages.json", peer.create)
    app.router.add_get("/2010-04-01/Accounts/{sid}/Messages.json", peer.list)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    peer.api = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield peer
    finally:
        peer.let_go()
        await asyncio.gather(*peer._calls)
        await runner.cleanup()
