"""What providers and mail readers ask for. Only what we made, or they signed, is believed."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

import structlog
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse

from app.masking import masked_in
from app.providers.provider import Receipt
from app.providers.twilio_answers import signed, status_of
from app.receipts import bounces
from app.receipts.links import About, Links, Unsubscribe
from schemas.delivery import Channel, Delivered, Delivery, Failed

log = structlog.get_logger()
LATEST_MS = 72 * 3_600_000  # after it was worth sending: Twilio keeps a text at most 10 h
MOST_SEEN = 100_000
LARGEST = 1_000_000  # bytes
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Changeover</title>
<meta name="viewport" content="width=device-width"><style>body{{font:1.1rem system-ui;margin:3rem
auto;max-width:30rem;padding:0 1rem}}button{{font:inherit;padding:.6rem 1rem}}</style>{body}"""
ASK = """<h1>No more emails?</h1><p>Alerts of your power will no longer come to this address.</p>
<form method="post"><button>Stop emails</button></form>"""
DONE = "<h1>Done</h1><p>No more emails will come to this address.</p>"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

Write = Callable[[str, Delivery], Awaitable[None]]
Suppress = Callable[[Channel, str, str, int], bool]


class Receipts:
    """Turns what came back into records on ``deliveries``."""

    def __init__(
        self,
        links: Links,
        write: Write,
        suppress: Suppress,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """write: writes a record for a recipient, and returns once the broker has it."""
        self._links, self._write, self._suppress, self._clock = links, write, suppress, clock
        self._seen = OrderedDict[tuple[str, bool], None]()

    async def take(self, token: str, channel: Channel, receipt: Receipt | None) -> None:
        """Write ``receipt`` of the text on ``channel`` that ``token`` names; None: nothing final.

        Raises:
            HTTPException: we did not make the token, it is too old, or this was said already.
        """
        about = self._links.read(token, About)
        if about is None or about.channel is not channel:
            raise HTTPException(404, "there is no such text")
        if self._clock() * 1_000 > about.useful_ms + LATEST_MS:
            raise HTTPException(410, "that was too long ago")
        if receipt is None:
            return
        said = about.attempt, receipt.arrived
        if said in self._seen:
            raise HTTPException(409, "that was said already")
        await self._write(about.recipient, _record(about, receipt))
        if receipt.dead:  # the outbox may have forgotten the text by now
            now_ms = round(self._clock() * 1_000)
            await asyncio.to_thread(
                self._suppress, about.channel, about.address, receipt.reason, now_ms
            )
        self._seen[said] = None
        if len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)


def create(
    links: Links, write: Write, suppress: Suppress, twilio_token: str | None = None
) -> FastAPI:
    """Return the application.

    suppress: sees to it that nothing is sent to an address any more. twilio_token: with which
    Twilio signs; None: it does not, and our own MAC has to do.
    """
    app = FastAPI(title="Changeover receipts", docs_url=None, redoc_url=None, openapi_url=None)
    receipts = Receipts(links, write, suppress)

    @app.post("/receipts/{token}", status_code=204)
    async def status(token: str, request: Request) -> None:
        form = (await _body(request)).decode(errors="replace")
        fields = dict(parse_qsl(form, keep_blank_values=True))  # blank ones are signed too
        signature = request.headers.get("X-Twilio-Signature", "")
        url = links.at(request.url.path)
        if twilio_token is not None and not signed(url, fields, signature, twilio_token):
            raise HTTPException(403, "Twilio did not sign this")
        await receipts.take(token, Channel.SMS, status_of(fields))

    @app.post("/bounces", status_code=204)
    async def bounce(request: Request) -> None:
        found = bounces.read(await _body(request))
        if found is None:
            raise HTTPException(422, "it says of no mail of ours what became of it")
        link, receipt = found
        await receipts.take(link.rpartition("/")[2], Channel.EMAIL, receipt)

    _unsubscribing(app, links, suppress)
    return app


def _unsubscribing(app: FastAPI, links: Links, suppress: Suppress) -> None:
    @app.get("/unsubscribe/{token}")
    async def ask(token: str) -> Response:
        _address(links, token)
        return HTMLResponse(PAGE.format(body=ASK), headers=HEADERS)

    @app.post("/unsubscribe/{token}")
    async def stop(token: str) -> Response:
        address = _address(links, token)
        now_ms = round(time.time() * 1_000)
        await asyncio.to_thread(suppress, Channel.EMAIL, address, "unsubscribed", now_ms)
        return HTMLResponse(PAGE.format(body=DONE), headers=HEADERS)


async def _body(request: Request) -> bytes:
    """Return what is sent, if it is no more than a receipt is."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise HTTPException(413, "that is more than a receipt is")
    return body


def _address(links: Links, token: str) -> str:
    found = links.read(token, Unsubscribe)
    if found is None:
        raise HTTPException(404, "there is no such address")
    return found.address


def _record(about: About, receipt: Receipt) -> Delivery:
    if receipt.arrived:
        return Delivered(**about.named, reference=receipt.reference)
    reason = masked_in(receipt.reason, about.channel, about.address)
    log.info("lost", attempt=about.attempt, reason=reason)
    return Failed(**about.named, reason=receipt.reason, again=receipt.again, dead=receipt.dead)
