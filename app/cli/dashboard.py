"""``changeover dashboard``: the pages on this machine."""

import asyncio
import sys

import click
import uvicorn

from app import database, settings
from app.broker.ports import LOOPBACK, in_use
from app.cli.saying import say
from app.dashboard import projector, server
from app.kafka import ReadError


@click.command(name="dashboard")
@click.option("--port", type=click.IntRange(1, 65_535), help="Instead of the one that is set.")
@click.option("--rebuild", is_flag=True, help="Drop the read models and write them anew.")
def dashboard(port: int | None, rebuild: bool) -> None:
    """Serve the fleet and the story of each notification on 127.0.0.1, until Ctrl-C.

    \b
    changeover dashboard --port 8080
    """
    try:
        asyncio.run(_serve(settings.read(), port, rebuild))
    except (settings.SettingsError, ReadError) as error:
        raise click.ClickException(str(error)) from None
    sys.exit(0)


async def _serve(read: settings.Settings, port: int | None, rebuild: bool) -> None:
    port = port or read.dashboard_port
    if in_use(port):
        raise click.ClickException(
            f"port {port} of {LOOPBACK} is in use: end what listens there, or set "
            "CHANGEOVER_DASHBOARD_PORT to another"
        )
    engine = database.engine(read.database_url)
    projector.prepare(engine, anew=rebuild)
    app = server.create(engine)
    config = uvicorn.Config(app, host=LOOPBACK, port=port, log_level="warning", access_log=False)
    pages = uvicorn.Server(config)
    say(f"pages at http://{LOOPBACK}:{port}/")
    projecting = asyncio.create_task(projector.project(engine, read.servers))
    serving = asyncio.create_task(pages.serve())  # it ends on SIGINT and SIGTERM
    done, _ = await asyncio.wait({projecting, serving}, return_when=asyncio.FIRST_COMPLETED)
    pages.should_exit = True
    projecting.cancel()
    await asyncio.gather(serving, projecting, return_exceptions=True)
    engine.dispose()
    if projecting in done:
        projecting.result()
