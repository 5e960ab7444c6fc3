"""What stand-ins for providers' HTTP APIs share."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.web import AbstractRouteDef

from app.broker.ports import LOOPBACK

HANGS_S = 6.0
# What a stand-in does once it has taken a text, by the fault that was chosen.
AFTER = {"drops after": "drop", "garbage": "garbage", "hangs": "hangs"}


@asynccontextmanager
async def listening(
    *routes: AbstractRouteDef, context: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Enter with the address of a server of ``routes``, on a port of its own."""
    app = web.Application()
    app.router.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, 0, ssl_context=context).start()
        scheme = "http" if context is None else "https"
        yield f"{scheme}://{LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
