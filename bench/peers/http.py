"""Twilio's and FCM's APIs, which take every text after a pause, and a plain client of them.

python -m bench.peers.http serve PORT FILE [PEM]   # a line in FILE for each text: when, to whom
python -m bench.peers.http send sms|push URL COUNT [PEM]   # COUNT texts over 50 connections
"""

import asyncio
import ssl
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import aiohttp
from aiohttp import web

LOOPBACK = "127.0.0.1"
TAKES_S = 0.05
CONNECTIONS = 50
TEXT = "the grid is lost, the load is on the inverter"


class Api:
    """Takes texts, and writes down when."""

    def __init__(self, taken: TextIO) -> None:
        self._taken = taken

    async def sms(self, request: web.Request) -> web.Response:
        """Be Twilio."""
        to = str((await request.post())["To"])
        await self._take(to)
        return web.json_response({"sid": f"SM{to}", "status": "queued"}, status=201)

    async def push(self, request: web.Request) -> web.Response:
        """Be FCM."""
        to = (await request.json())["message"]["token"]
        await self._take(to)
        return web.json_response({"name": f"projects/bench/messages/{to}"})

    async def token(self, _: web.Request) -> web.Response:
        """Be Google's sign-in."""
        return web.json_response({"access_token": "let-me-in", "expires_in": 3600})

    async def _take(self, to: str) -> None:
        await asyncio.sleep(TAKES_S)
        self._taken.write(f"{time.time()} {to}\n")


async def serve(port: int, file: Path, pem: str | None) -> None:
    """Take texts for ever."""
    context = None
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
    with file.open("w", buffering=1) as taken:
        api = Api(taken)
        app = web.Application()
        app.router.add_post("/2010-04-01/Accounts/{sid}/Messages.json", api.sms)
        app.router.add_post("/v1/projects/{project}/messages:send", api.push)
        app.router.add_post("/token", api.token)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, port, ssl_context=context).start()
        await asyncio.Event().wait()


async def send(channel: str, url: str, count: int, pem: str | None) -> None:
    """Send so many texts as simply as can be; say how many seconds it took."""
    left = iter(range(count))
    context = ssl.create_default_context(cafile=pem) if pem else None
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=context or True)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def work() -> None:
            for number in left:
                async with session.post(url, **_body(channel, number)) as answer:
                    await answer.read()

        began_s = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
        sys.stdout.write(f"{time.perf_counter() - began_s}\n")


def _body(channel: str, number: int) -> dict[str, Any]:
    if channel == "sms":
        return {"data": {"To": f"+1555{number:07}", "From": "+15550199", "Body": TEXT}}
    return {"json": {"message": {"token": f"token-{number}", "notification": {"body": TEXT}}}}


if __name__ == "__main__":
    command, *given = sys.argv[1:]
    if command == "serve":
        asyncio.run(serve(int(given[0]), Path(given[1]), next(iter(given[2:]), None)))
    else:
        asyncio.run(send(given[0], given[1], int(given[2]), next(iter(given[3:]), None)))
