"""``changeover receipts``: takes what providers say later, and mails that came back."""

import asyncio
import sys
from functools import partial

import click
import uvicorn

from app import kafka, settings
from app.broker.errors import PortInUseError
from app.broker.ports import check_free
from app.cli.saying import say
from app.database import DatabaseError, told
from app.directory import Directory
from app.kafka import ReadError
from app.receipts import links, server
from app.settings import Settings, SettingsError
from schemas import codec, topics
from schemas.delivery import Channel, Delivery


@click.command(name="receipts")
@click.option("--host", default="127.0.0.1", show_default=True, help="On which address to listen.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Instead of the one that is set.")
def receipts(host: str, port: int | None) -> None:
    """Take receipts at CHANGEOVER_PUBLIC_URL, until Ctrl-C: a proxy with TLS stands before it.

    \b
    CHANGEOVER_PUBLIC_URL=https://alerts.example.com changeover receipts

    Twilio's status callbacks come to /receipts/…, mails that bounced to /bounces (by a mailbox's
    pipe, as in `curl --data-binary @- …/bounces`), and who wants no emails to /unsubscribe/….
    """
    try:
        with told():
            asyncio.run(_serve(settings.read(), host, port))
    except (SettingsError, ReadError, DatabaseError, PortInUseError) as error:
        raise click.ClickException(str(error)) from None
    sys.exit(0)


async def _serve(read: Settings, host: str, port: int | None) -> None:
    port = port or read.receipts_port
    check_free(port, "CHANGEOVER_RECEIPTS_PORT")
    if not read.public_url:
        raise SettingsError(
            "environment: CHANGEOVER_PUBLIC_URL: without it no receipts are asked for"
        )
    directory = Directory(read.database_url)
    suppress = partial(directory.suppress, author="receipts")
    async with kafka.producing(read.servers) as producer:

        async def write(recipient: str, record: Delivery) -> None:
            value = codec.encode(record)
            await producer.send_and_wait(topics.DELIVERIES, value, key=recipient.encode())

        app = server.create(links.of(read), write, suppress, _token(read))
        config = uvicorn.Config(app, host=host, port=port, log_level="warning", access_log=False)
        say(f"receipts at http://{host}:{port}/, from outside {read.public_url}")
        await uvicorn.Server(config).serve()
    directory.close()


def _token(read: Settings) -> str | None:
    """Return with what Twilio signs: the account's token, which an API key's secret is not."""
    if not read.sms.startswith("twilio:"):
        return None
    return None if "@" in read.sms.partition("?")[0] else read.secret(Channel.SMS)
