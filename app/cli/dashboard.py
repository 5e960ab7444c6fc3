"""``changeover dashboard``: the pages on this machine."""

import asyncio
import sys

import click
import structlog
import uvicorn
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from app import database, settings
from app.broker.errors import PortInUseError
from app.broker.ports import LOOPBACK, check_free
from app.cli.saying import say
from app.dashboard import projector, server
from app.database import DatabaseError
from app.kafka import ReadError

AGAIN_S = 5.0
log = structlog.get_logger()


@click.command(name="dashboard")
@click.option("--port", type=click.IntRange(1, 65_535), help="Instead of the one that is set.")
@click.option("--rebuild", is_flag=True, help="Drop the read models and write them anew.")
def dashboard(port: int | None, rebuild: bool) -> None:
    """Serve the fleet and the story of each notification on 127.0.0.1, until Ctrl-C.

    \b
    changeover dashboard --port 8080
    """
    try:
        with database.told():
            asyncio.run(_serve(settings.read(), port, rebuild))
    except (settings.SettingsError, ReadError, DatabaseError, PortInUseError) as error:
        raise click.ClickException(str(error)) from None
    sys.exit(0)


async def _serve(read: settings.Settings, port: int | None, rebuild: bool) -> None:
    port = port or read.dashboard_port
    check_free(port, "CHANGEOVER_DASHBOARD_PORT")
    engine = database.engine(read.database_url)
    projector.prepare(engine, anew=rebuild)
    app = server.create(engine)
    config = uvicorn.Config(app, host=LOOPBACK, port=port, log_level="warning", access_log=False)
    pages = uvicorn.Server(config)
    say(f"pages at http://{LOOPBACK}:{port}/")
    projecting = asyncio.create_task(_project(engine, read.servers))
    serving = asyncio.create_task(pages.serve())  # it ends on SIGINT and SIGTERM
    done, _ = await asyncio.wait({projecting, serving}, return_when=asyncio.FIRST_COMPLETED)
    pages.should_exit = True
    projecting.cancel()
    await asyncio.gather(serving, projecting, return_exceptions=True)
    engine.dispose()
    if projecting in done:
        projecting.result()


async def _project(engine: Engine, servers: str) -> None:
    """Write the read models for ever, also after the database was away."""
    while True:
        try:
            await projector.project(engine, servers)
        except OperationalError as error:
            log.warning("database_unavailable", reason=str(error.orig))
            await asyncio.sleep(AGAIN_S)
