"""Each test of the directory runs on SQLite and on a real PostgreSQL server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.directory import Directory
from tests.postgres import new_database


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of a database with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'people.db'}"
    folder: str = request.getfixturevalue("postgres")
    return new_database(folder)


@pytest.fixture
def directory(url: str) -> Iterator[Directory]:
    """Yield a directory with nobody in it."""
    opened = Directory(url)
    yield opened
    opened.close()
