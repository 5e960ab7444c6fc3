"""``changeover channels``: how messages leave, and one to try it."""

import asyncio

import click

from app import settings
from app.cli.showing import show_json, show_table
from app.directory import DirectoryError
from app.directory.entries import check_address
from app.providers.provider import Answer
from app.sending import send_one
from app.settings import SettingsError
from schemas.delivery import Channel


@click.group(name="channels")
def channels() -> None:
    """How messages leave, and one to try it."""


@channels.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the channels and who carries their messages away."""
    read = _read()
    rows = [(channel.value, read.provider(channel)) for channel in Channel]
    if as_json:
        show_json([{"channel": channel, "provider": provider} for channel, provider in rows])
    else:
        show_table(("channel", "provider"), rows)


@channels.command()
@click.argument("channel", type=click.Choice([each.value for each in Channel]))
@click.argument("address")
@click.option("--text", default="Changeover: this is a test.", show_default=True)
def test(channel: str, address: str, text: str) -> None:
    """Send one message to ADDRESS, and say what became of it.

    \b
    changeover channels test email ann@example.com

    Exit code 1: it was not sent, or nobody knows.
    """
    read = _read()
    try:
        check_address(Channel(channel), address)
        answer = asyncio.run(send_one(read, Channel(channel), address, "A test", text))
    except (DirectoryError, SettingsError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(_words(answer))
    if answer.verdict != "sent":
        raise click.exceptions.Exit(1)


def _words(answer: Answer) -> str:
    parts = [answer.verdict.value]
    parts += [f"as {answer.reference}"] if answer.reference else []
    parts += [answer.reason] if answer.reason else []
    parts += ["the address is dead"] if answer.dead else []
    return ": ".join(parts)


def _read() -> settings.Settings:
    try:
        return settings.read()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
