"""``changeover contacts``: addresses, whose they are, and where nothing is sent."""

import asyncio
import time

import click
import msgspec

from app import settings
from app.cli.exchange import add_exchange
from app.cli.opening import directory, found, put
from app.cli.showing import show_json, show_table
from app.directory import Contact, Directory, DirectoryError, Person, Suppression
from app.directory.codes import VALID_MS
from app.directory.entries import check_address
from app.masking import masked, masked_in
from app.sending import send_one
from schemas.delivery import Channel

CHANNEL = click.Choice([each.value for each in Channel])


@click.group(name="contacts")
def contacts() -> None:
    """Addresses, whose they are, and where nothing is sent."""


@contacts.command()
@click.argument("person")
@click.argument("channel", type=CHANNEL)
@click.argument("address")
@click.option("--verified", is_flag=True, help="You vouch for it: no code is needed.")
def add(person: str, channel: str, address: str, verified: bool) -> None:
    """Add ADDRESS, by which PERSON is told on CHANNEL.

    \b
    changeover contacts add ann sms +2348012345678
    """
    entry = Contact(person=person, channel=Channel(channel), address=address, verified=verified)
    with directory() as opened:
        put(opened, entry)
    if not verified:
        click.echo(f"not verified yet: changeover contacts verify {person} {address}")


@contacts.command()
@click.argument("person")
@click.argument("address")
def verify(person: str, address: str) -> None:
    """Send a code to ADDRESS of PERSON, which `confirm` wants back: one a minute, five a day.

    Who vouches for the address instead adds it again with `add --verified`.

    Exit code 1: it could not be sent.
    """
    read = settings.read()
    with directory() as opened:
        contact = _contact(opened, person, address)
        code = opened.challenge(contact)
        minutes = VALID_MS // 60_000
        text = f"Changeover: your code is {code}. It is valid for {minutes} minutes."
        answer, _ = asyncio.run(send_one(read, contact.channel, address, "Your code", text))
    if answer.verdict != "sent":
        raise click.ClickException(f"{answer.verdict}: {answer.reason}")
    click.echo(f"sent by {contact.channel}: {answer.reference}")
    click.echo(f"then: changeover contacts confirm {person} {address} CODE")


@contacts.command()
@click.argument("person")
@click.argument("address")
@click.argument("code")
def confirm(person: str, address: str, code: str) -> None:
    """Give back the CODE that was sent: ADDRESS is the person's, and is used from now on."""
    with directory() as opened:
        opened.confirm(_contact(opened, person, address), code)
    click.echo(f"{person}: {address} is verified")


@contacts.command(name="list")
@click.option("--reveal", is_flag=True, help="Show addresses whole.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(reveal: bool, as_json: bool) -> None:
    """List every address, and whether it is used."""
    with directory() as opened:
        everybody = opened.snapshot().people
    rows = [
        (
            person,
            each.channel.value,
            each.address if reveal else masked(each.channel, each.address),
            (each.bar if reveal else masked_in(each.bar, each.channel, each.address)) or "verified",
        )
        for person, somebody in sorted(everybody.items())
        for each in somebody.addresses
    ]
    columns = ("person", "channel", "address", "state")
    if as_json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        show_table(columns, rows)


@contacts.command()
@click.argument("person")
@click.argument("address")
def remove(person: str, address: str) -> None:
    """Remove ADDRESS of PERSON."""
    with directory() as opened:
        contact = _contact(opened, person, address)
        opened.remove(Contact, (person, contact.channel.value, address))
    click.echo(f"removed {contact.channel} address of {person}")


@contacts.command()
@click.argument("channel", type=CHANNEL)
@click.argument("address")
@click.option("--reason", default="by hand", show_default=True)
def suppress(channel: str, address: str, reason: str) -> None:
    """Send nothing to ADDRESS any more, whoever's it is."""
    with directory() as opened:
        check_address(Channel(channel), address)
        for each in _spelled(opened, Channel(channel), address):
            new = opened.suppress(Channel(channel), each, reason, round(time.time() * 1_000))
            click.echo(f"suppressed {each}" if new else f"{each} was suppressed already")


@contacts.command()
@click.argument("channel", type=CHANNEL)
@click.argument("address")
def release(channel: str, address: str) -> None:
    """Send to ADDRESS again; `verify` and `confirm` do so too."""
    with directory() as opened:
        opened.release(Channel(channel), address)
    click.echo(f"released {address}")


@contacts.command()
@click.option("--reveal", is_flag=True, help="Show addresses whole.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def suppressed(reveal: bool, as_json: bool) -> None:
    """List the addresses to which nothing is sent: opted out, or gone."""
    with directory() as opened:
        every = opened.suppressions()
    if not reveal:
        every = [_masked(each) for each in every]
    if as_json:
        show_json([msgspec.structs.asdict(each) for each in every])
    else:
        rows = [(each.since, each.channel, each.address, each.reason) for each in every]
        show_table(("since", "channel", "address", "reason"), rows)


def _spelled(opened: Directory, channel: Channel, address: str) -> list[str]:
    """Return ``address`` as people have it: no mailbox minds capital letters."""
    if channel is not Channel.EMAIL:
        return [address]
    every = {each.address for each in opened.all(Contact) if each.channel is channel}
    return sorted(each for each in every if each.lower() == address.lower()) or [address]


def _masked(each: Suppression) -> Suppression:
    address = masked(each.channel, each.address)
    reason = masked_in(each.reason, each.channel, each.address)
    return msgspec.structs.replace(each, address=address, reason=reason)


def _contact(opened: Directory, person: str, address: str) -> Contact:
    found(opened, Person, person)
    for channel in Channel:
        contact = opened.find(Contact, (person, channel.value, address))
        if contact is not None:
            return contact
    raise DirectoryError(f"{person} has no address {address}; `changeover contacts add`")


add_exchange(contacts, Contact)
