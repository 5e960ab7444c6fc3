"""The database of people, devices and read models: SQLite by default, any other by its URL."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from app import private

BUSY_TIMEOUT_MS = 10_000
POLL_S = 0.01
# A server that was restarted is noticed before a connection is used; one that is gone, in time.
OPTIONS: dict[str, dict[str, Any]] = {
    "postgresql": {
        "pool_pre_ping": True,
        "connect_args": {
            "connect_timeout": 10,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
        },
    }
}


class DatabaseError(Exception):
    """The database cannot be used; the sentence says why."""


@contextmanager
def told() -> Iterator[None]:
    """Turn what the database says within the block into a DatabaseError, which fits one line."""
    try:
        yield
    except SQLAlchemyError as error:
        reason = str(error).splitlines()[0]
        raise DatabaseError(f"database: {reason}; see CHANGEOVER_DATABASE") from error


def engine(url: str) -> Engine:
    """Return an engine for ``url``; an SQLite file is made if it is not there, for us alone.

    Raises:
        DatabaseError: it is no URL, or of a database whose driver is not installed.
    """
    try:
        parsed = make_url(url)
        options = OPTIONS.get(parsed.get_backend_name(), {})
        made = create_engine(parsed, hide_parameters=True, **options)  # they would be in logs
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise DatabaseError(f"CHANGEOVER_DATABASE: {error}") from None
    if parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            private.make_file(Path(parsed.database))  # SQLite's other files are as open as it is
        event.listen(made, "connect", _prepare_sqlite)
    return made


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # Readers go on while one writes; a second writer waits; references are checked.
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA foreign_keys=ON")
    deadline_s = time.monotonic() + BUSY_TIMEOUT_MS / 1_000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(POLL_S)  # SQLite does not wait here: somebody else makes the file just now
        else:
            return
