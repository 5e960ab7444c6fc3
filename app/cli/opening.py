"""How commands open the directory, and say what became of what they changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

from app import settings
from app.database import DatabaseError, told
from app.directory import Directory, DirectoryError, Entry

E = TypeVar("E", bound=Entry)


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


def put(opened: Directory, *entries: Entry) -> None:
    """Put ``entries`` into the directory, and say whether that changed anything."""
    changed = opened.put(*entries)
    named = ", ".join(f"{each.what} {each.key}" for each in entries)
    click.echo(named if changed else f"{named}: it was so already")


def remove_entry(kind: type[Entry], key: str) -> None:
    """Remove the entry of ``kind`` with that key from the directory, and say so."""
    with directory() as opened:
        opened.remove(kind, key)
    click.echo(f"removed {kind.what} {key}")


def found(opened: Directory, kind: type[E], key: str) -> E:
    """Return the entry of ``kind`` with that key.

    Raises:
        DirectoryError: there is none.
    """
    entry = opened.find(kind, key)
    if entry is None:
        raise DirectoryError(f"there is no {kind.what} {key}")
    return entry
