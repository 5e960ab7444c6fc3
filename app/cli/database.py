"""``changeover database``: of which version the directory's tables are."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy import Engine

from app import database as databases
from app import settings
from app.cli.showing import show_json
from app.directory import migrate


@click.group(name="database")
def database() -> None:
    """Of which version the directory's tables are; any program brings them up to date."""


@database.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Say of which version they are, and for which this program is.

    Exit code 1: they are not the same.
    """
    with _engine() as engine:
        are, wanted = migrate.versions(engine)
    if as_json:
        show_json({"version": are, "program": wanted})
    else:
        click.echo(f"the tables are of version {are or 'none'}, the program is for {wanted}")
    if are != wanted:
        raise click.exceptions.Exit(1)


@database.command()
def upgrade() -> None:
    """Bring the tables up to date, as every program does that opens them."""
    with _engine() as engine:
        migrate.upgrade(engine)


@database.command()
@click.argument("version")
@click.option("--yes", is_flag=True, help="Do not ask.")
def downgrade(version: str, yes: bool) -> None:
    """Bring the tables back to VERSION, as 0001, before an older program is started.

    \b
    changeover database downgrade 0001 --yes
    """
    with _engine() as engine:
        migrate.check(version)
        if not yes:
            click.confirm("What that version has no place for is lost. Go on?", abort=True)
        migrate.downgrade(engine, version)


@contextmanager
def _engine() -> Iterator[Engine]:
    try:
        with databases.told():
            engine = databases.engine(settings.read().database_url)
            try:
                yield engine
            finally:
                engine.dispose()
    except (databases.DatabaseError, settings.SettingsError) as error:
        raise click.ClickException(str(error)) from None
