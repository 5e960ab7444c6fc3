"""``changeover ack``: somebody sees to it, so nobody else needs to be told."""

import asyncio
import getpass

import click

from app import kafka
from app.cli.finding import Found
from app.cli.reporting import surroundings
from schemas import codec, topics
from schemas.decision import BEGAN, Decision
from schemas.escalation import Taken
from schemas.record import derived_id


@click.command(name="ack")
@click.argument("notification")
@click.option("--by", default=getpass.getuser, help="Who sees to it; by default your login name.")
def ack(notification: str, by: str) -> None:
    """Acknowledge NOTIFICATION, by its id or how that begins: you see to it.

    It is not repeated, and nobody else is told of it; that it is over is told as ever.

    \b
    changeover ack 3f9c21d0 --by ann

    Exit code 1: there is no such notification, or it is over.
    """
    try:
        taken = asyncio.run(_ack(surroundings().servers, notification, by))
    except kafka.ReadError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{taken.rule} on {taken.device}: {by} sees to it")


async def _ack(servers: str, notification: str, by: str) -> Taken:
    decision = await _found(servers, notification)
    taken = Taken(
        id=derived_id("taken", decision.device, decision.rule, decision.episode.isoformat(), by),
        device=decision.device,
        rule=decision.rule,
        episode=decision.episode,
        by=by,
    )
    async with kafka.producing(servers) as producer:
        key = taken.device.encode()
        await producer.send_and_wait(topics.NOTIFICATIONS, codec.encode(taken), key=key)
    return taken


async def _found(servers: str, notification: str) -> Decision:
    """Return the one decision whose id begins so, if its episode lasts."""
    found = await Found(notification).read(servers)
    decision = found.one(lambda each: each.kind in BEGAN)
    last = found.newest[decision.device, decision.rule]
    if last.episode != decision.episode or last.kind not in BEGAN:
        raise click.ClickException(f"notification {notification}: it is over")
    return decision
