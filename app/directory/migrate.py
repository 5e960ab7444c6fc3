"""Brings the directory's tables up to date, with Alembic."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, inspect, text

from app.database import DatabaseError

FIRST = "0001"  # the tables as they were before there were migrations
VERSIONS = "directory_version"  # the table that says which they are
LOCK = 0x6368616E6765  # any number of ours: PostgreSQL's advisory locks are named by one


def upgrade(engine: Engine, to: str = "head") -> None:
    """Bring the tables to the version ``to``; programs that start together take turns.

    Raises:
        DatabaseError: they are of a later version than this program knows.
    """
    with engine.connect() as connection:
        if _current(connection) == _head():
            return
    with _alone(engine) as connection:
        config = _config(connection)
        tables = inspect(connection).get_table_names()
        if VERSIONS not in tables and "person" in tables:
            command.stamp(config, FIRST)
        try:
            command.upgrade(config, to)
        except CommandError as error:
            raise DatabaseError(
                f"the directory is of another version than this program: {error}; "
                "start the program that made it, or a later one"
            ) from None


def downgrade(engine: Engine, to: str) -> None:
    """Bring the tables back to the version ``to``: what it has no place for is lost.

    Raises:
        DatabaseError: there is no such version.
    """
    with _alone(engine) as connection:
        try:
            command.downgrade(_config(connection), to)
        except CommandError as error:
            raise DatabaseError(f"directory: {error}") from None


def check(version: str) -> None:
    """Return if there is such a ``version``.

    Raises:
        DatabaseError: there is none.
    """
    scripts = ScriptDirectory(str(Path(__file__).with_name("migrations")))
    known = sorted(each.revision for each in scripts.walk_revisions())
    if version not in known:
        raise DatabaseError(
            f"directory: there is no version {version}; there are {', '.join(known)}"
        )


def versions(engine: Engine) -> tuple[str | None, str | None]:
    """Return which version the tables are of, and which this program is for."""
    with engine.connect() as connection:
        return _current(connection), _head()


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """Enter with a transaction that no other program is in."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            # Python's driver begins by itself only before a change, too late to be alone.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        yield connection
        connection.commit()


def _current(connection: Connection) -> str | None:
    options = {"version_table": VERSIONS}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _head() -> str | None:
    return ScriptDirectory(str(Path(__file__).with_name("migrations"))).get_current_head()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSIONS
    return config
