"""A house that commands have made."""

import pytest

from app.broker.ports import free_port
from tests.cli.running import HOUSE, done


@pytest.fixture(name="house")
def _house(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANGEOVER_BROKER_PORT", str(free_port()))
    for line in HOUSE:
        done(line)
