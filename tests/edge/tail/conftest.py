"""A log of readings, and what is said of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.edge.rotations import Events, Follower, lines, put


@pytest.fixture
def follower(tmp_path: Path) -> Follower:
    """Return what follows a log whose lines 1 and 2 are released."""
    follower = Follower(tmp_path)
    put(follower.path, lines(1, 2))
    follower.settle()
    return follower


@pytest.fixture
def events() -> Iterator[Events]:
    """Yield what is said from here on."""
    with capture_logs() as found:
        yield found
