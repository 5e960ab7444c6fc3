"""What tests of the device share."""

from pathlib import Path
from typing import Any

import pytest

from app.sim800 import Simulator
from edge import offline, texting
from edge.sim800 import sending
from tests.edge.home import Home


@pytest.fixture(name="home")
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(offline, "RETRY_S", 0.05)
    monkeypatch.setattr(texting, "RETRY_S", 0.05)
    monkeypatch.setattr(sending, "SOON_S", 0.05)
    monkeypatch.setattr(sending, "SEND_S", 0.5)
    with Simulator(tmp_path / "modem") as sim:
        yield Home(tmp_path, sim)
