"""``changeover people``: who is told, when, and in which language."""

from typing import Any

import click
import msgspec

from app import settings
from app.cli.exchange import add_exchange
from app.cli.opening import directory, found, put, remove_entry
from app.cli.showing import show_json, show_table
from app.directory import Contact, DirectoryError, Person
from app.directory.directory import Change
from app.directory.entries import check_address
from app.masking import masked_in
from app.texts import FALLBACK, Texts
from schemas.delivery import Channel

WHEN = "always, unanswered, never, or for each severity, as critical=always,warning=unanswered."


@click.group(name="people")
def people() -> None:
    """Who is told, when, and in which language."""


@people.command()
@click.argument("person")
@click.option("--name", default="", help="What the person is called.")
@click.option("--email", multiple=True, help="An email address; may be given again.")
@click.option("--sms", multiple=True, help="A number, as +2348012345678; may be given again.")
@click.option("--push", multiple=True, help="A registration; may be given again.")
@click.option("--verified", is_flag=True, help="You vouch for the addresses: no code is needed.")
def add(person: str, name: str, verified: bool, **given: tuple[str, ...]) -> None:
    """Add PERSON, or addresses to one who is there.

    \b
    changeover people add ann --name Ann --email ann@example.com --sms +2348012345678

    An address is used once it is verified: `changeover contacts verify`.
    """
    contacts = [
        Contact(person=person, channel=channel, address=address, verified=verified)
        for channel in Channel
        for address in given[channel.value]
    ]
    with directory() as opened:
        for each in contacts:
            check_address(each.channel, each.address)
        known = opened.find(Person, person)
        if known and not contacts:
            raise DirectoryError(f"there is a person {person} already; `changeover people set`")
        put(opened, *(contacts if known else [Person(person=person, name=name), *contacts]))
    for each in () if verified else contacts:
        click.echo(f"not verified yet: changeover contacts verify {person} {each.address}")


@people.command(name="set")
@click.argument("person")
@click.option("--name", help="What the person is called.")
@click.option("--language", help="As en or fr (ISO 639-1).")
@click.option("--zone", help="The time zone, as Africa/Lagos.")
@click.option("--quiet", help="When only what is critical is told, as 22:00-07:00; or off.")
def set_(person: str, **given: str | None) -> None:
    """Change what is known of PERSON.

    \b
    changeover people set ann --language fr --zone Africa/Lagos --quiet 22:00-07:00
    """
    _change(person, given, "--language")


@people.command()
@click.argument("person")
@click.option("--email", help=f"When to tell by email: {WHEN}")
@click.option("--sms", help="When to tell by SMS, likewise.")
@click.option("--push", help="When to tell by push, likewise.")
def flags(person: str, **given: str | None) -> None:
    """Change when PERSON is told, by channel and severity.

    \b
    changeover people flags ann --sms critical=always,warning=unanswered --push never

    What is unanswered goes there when no other channel reached anybody, or nobody acknowledged it.
    """
    _change(person, given, "--sms")


@people.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List everybody, with flags; `changeover contacts list` lists addresses."""
    with directory() as opened:
        everybody = opened.all(Person)
    if as_json:
        show_json([msgspec.to_builtins(each) for each in everybody])
        return
    columns = ("person", "name", "language", "zone", "quiet", "email", "sms", "push")
    show_table(columns, [tuple(getattr(each, name) for name in columns) for each in everybody])


@people.command()
@click.argument("person")
def remove(person: str) -> None:
    """Remove PERSON, with every address and role."""
    remove_entry(Person, person)


@people.command()
@click.option("--last", "-n", type=click.IntRange(1), default=20, show_default=True)
@click.option("--reveal", is_flag=True, help="Show addresses whole.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def log(last: int, reveal: bool, as_json: bool) -> None:
    """Show who changed what in the directory, oldest first."""
    with directory() as opened:
        changes = [each if reveal else _hidden(each) for each in opened.changes(last)]
    if as_json:
        show_json([msgspec.structs.asdict(each) for each in changes])
        return
    rows = [(each.at, each.author, each.what, each.key, each.after or "-") for each in changes]
    show_table(("time", "by", "what", "of", "is now"), rows)


def _hidden(change: Change) -> Change:
    """Return ``change`` without the address that it is about, if it is about one."""
    *_, channel, address = ("", *change.key.split(" "))
    if channel not in tuple(Channel):
        return change
    texts = (change.key, change.before, change.after)
    key, before, after = (masked_in(each, channel, address) for each in texts)
    return msgspec.structs.replace(change, key=key, before=before, after=after)


def _change(person: str, given: dict[str, Any], example: str) -> None:
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise click.UsageError(f"name what to change, as with {example}")
    with directory() as opened:
        put(opened, msgspec.structs.replace(found(opened, Person, person), **changes))
        if "language" in changes:
            _warn_of(changes["language"])
        now = found(opened, Person, person)
    for name in Person.__struct_fields__[1:]:
        click.echo(f"  {name}: {getattr(now, name) or '-'}")


def _warn_of(language: str) -> None:
    """Say so if there are no templates in ``language``."""
    known = Texts(settings.read().templates_dir).languages
    if language not in known:
        rest = f"what is told comes in {FALLBACK}; there are {', '.join(known)}"
        click.echo(f"there are no templates in {language}: {rest}", err=True)


add_exchange(people, Person)
