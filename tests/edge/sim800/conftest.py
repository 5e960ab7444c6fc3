"""A simulated SIM800, and a supervisor that waits for less than it does in life."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.sim800 import Simulator
from edge.sim800 import modem as supervisor
from edge.sim800 import sending, session, unlock


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "SOON_S", 0.1)
    monkeypatch.setattr(sending, "SEND_S", 2.0)
    monkeypatch.setattr(supervisor, "BOOT_S", 1.0)
    monkeypatch.setattr(supervisor, "REST_S", (0.2, 1.0))
    monkeypatch.setattr(session, "TEXTS_READY_S", 3.0)
    monkeypatch.setattr(unlock, "SIM_READY_S", 3.0)
    monkeypatch.setattr(session, "REGISTERED_S", 2.0)
    monkeypatch.setattr(session, "POLL_EVERY_S", 0.5)


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(tmp_path / "modem") as running:
        yield running
