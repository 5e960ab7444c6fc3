"""``changeover channels``: how messages leave, and one to try it."""

import asyncio

import click
from msgspec import to_builtins

from app import providers, settings
from app.cli.showing import show_json, show_table
from app.directory import DirectoryError
from app.directory.entries import check_address
from app.providers.provider import Answer, Receipt
from app.sending import send_one
from app.settings import SettingsError
from schemas import gsm
from schemas.delivery import Channel


@click.group(name="channels")
def channels() -> None:
    """How messages leave, and one to try it."""


@channels.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the channels and who carries their messages away.

    Exit code 1: one of them cannot, as it is set.
    """
    read = _read()
    try:
        providers.check(read)
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    rows = [(channel.value, read.provider(channel)) for channel in Channel]
    if as_json:
        show_json([{"channel": channel, "provider": provider} for channel, provider in rows])
    else:
        show_table(("channel", "provider"), rows)


@channels.command()
@click.argument("channel", type=click.Choice([each.value for each in Channel]))
@click.argument("address")
@click.option("--text", default="Changeover: this is a test.", show_default=True)
@click.option(
    "--wait",
    default=60.0,
    type=click.FloatRange(0),
    show_default=True,
    help="Seconds for which to ask what became of it, where the provider can be asked.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def test(channel: str, address: str, text: str, wait: float, as_json: bool) -> None:
    """Send one message to ADDRESS, and follow it to its outcome.

    \b
    changeover channels test email ann@example.com

    Twilio says later whether a text has arrived; a mail's bounce and a push message's arrival
    are seen elsewhere. Exit code 1: it was not sent, or was lost, or nobody knows.
    """
    read = _read()
    try:
        check_address(Channel(channel), address)
        answer, receipt = asyncio.run(
            send_one(read, Channel(channel), address, "A test", text, wait)
        )
    except (DirectoryError, SettingsError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        show_json({"answer": to_builtins(answer), "receipt": to_builtins(receipt)})
    else:
        _say(Channel(channel), text, answer, receipt)
    if answer.verdict != "sent" or (receipt is not None and not receipt.arrived):
        raise click.exceptions.Exit(1)


def _say(channel: Channel, text: str, answer: Answer, receipt: Receipt | None) -> None:
    if channel is Channel.SMS:
        click.echo(gsm.size(text))
    click.echo(_words(answer))
    if receipt is not None:
        click.echo("delivered" if receipt.arrived else f"lost: {receipt.reason}")
    elif answer.verdict == "sent":
        click.echo("nothing is known yet of whether it has arrived")


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
