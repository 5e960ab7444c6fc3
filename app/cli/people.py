"""``changeover people``: who is told, and by what."""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from app import settings
from app.cli.showing import show_json, show_table
from app.database import DatabaseError, told
from app.directory import Contact, Directory, DirectoryError, check_address
from app.masking import masked
from schemas.delivery import Channel


@contextmanager
def directory() -> Iterator[Directory]:
    """Enter with the directory; what cannot be is a sentence and exit code 1."""
    try:
        with told():
            opened = Directory(settings.read().database_url)
            try:
                yield opened
            finally:
                opened.close()
    except (DirectoryError, DatabaseError, settings.SettingsError) as error:
        raise click.ClickException(str(error)) from None


@click.group(name="people")
def people() -> None:
    """Who is told, and by what."""


@people.command()
@click.argument("person")
@click.option("--name", default="", help="What the person is called.")
@click.option("--email", multiple=True, help="An email address; may be given again.")
@click.option("--sms", multiple=True, help="A number, as +2348012345678; may be given again.")
@click.option("--push", multiple=True, help="A registration; may be given again.")
def add(
    person: str, name: str, email: tuple[str, ...], sms: tuple[str, ...], push: tuple[str, ...]
) -> None:
    """Add PERSON, or addresses to one who is there.

    \b
    changeover people add ann --name Ann --email ann@example.com --sms +2348012345678
    """
    given = {Channel.EMAIL: email, Channel.SMS: sms, Channel.PUSH: push}
    with directory() as opened:
        for channel, addresses in given.items():
            for address in addresses:
                check_address(channel, address)  # all of them, before anything is changed
        if person not in {known for known, *_ in opened.people()}:
            opened.add_person(person, name)
        elif not any(given.values()):
            raise DirectoryError(f"there is a person {person} already")
        for channel, addresses in given.items():
            for address in addresses:
                opened.add_contact(person, channel, address)


@people.command(name="list")
@click.option("--reveal", is_flag=True, help="Show addresses whole.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(reveal: bool, as_json: bool) -> None:
    """List everybody, with addresses and flags."""
    with directory() as opened:
        everybody = opened.people()
    if as_json:
        show_json([_described(*each, reveal=reveal) for each in everybody])
        return
    rows = [
        (person, name, str(each.channel), _address(each, reveal), "on" if each.enabled else "off")
        for person, name, contacts in everybody
        for each in contacts
    ]
    rows += [(person, name, "", "", "") for person, name, contacts in everybody if not contacts]
    show_table(("person", "name", "channel", "address", "flag"), sorted(rows))


@people.command()
@click.argument("person")
@click.option("--email/--no-email", default=None, help="Tell by email, or not.")
@click.option("--sms/--no-sms", default=None, help="Tell by SMS, or not.")
@click.option("--push/--no-push", default=None, help="Tell by push, or not.")
def flags(person: str, email: bool | None, sms: bool | None, push: bool | None) -> None:
    """Turn channels of PERSON on or off.

    \b
    changeover people flags ann --no-sms --email
    """
    given = {Channel.EMAIL: email, Channel.SMS: sms, Channel.PUSH: push}
    if all(flag is None for flag in given.values()):
        raise click.UsageError("name a flag, as in --no-sms")
    with directory() as opened:
        for channel, flag in given.items():
            if flag is not None:
                opened.set_flag(person, channel, enabled=flag)


@people.command()
@click.argument("person")
def remove(person: str) -> None:
    """Remove PERSON, with every address."""
    with directory() as opened:
        opened.remove_person(person)


def _address(contact: Contact, reveal: bool) -> str:
    return contact.address if reveal else masked(contact.channel, contact.address)


def _described(
    person: str, name: str, contacts: tuple[Contact, ...], *, reveal: bool
) -> dict[str, object]:
    described = [
        {"channel": each.channel, "address": _address(each, reveal), "enabled": each.enabled}
        for each in contacts
    ]
    return {"person": person, "name": name, "contacts": described}
