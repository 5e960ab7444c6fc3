"""A worker that was stopped for longer than it may be wakes up and ends before it sends."""

import signal
import time
from pathlib import Path

import pytest

from app.stream.watch import EXIT_UNFINISHED, SESSION_TIMEOUT_S
from tests.end_to_end.machine import eventually, machine

pytestmark = pytest.mark.kafka
RULES = Path(__file__).parents[2] / "tables" / "default_rules.toml"


def test_a_worker_that_was_stopped_ends_when_it_wakes_up(tmp_path: Path) -> None:
    with machine(tmp_path / "house", RULES) as house:
        house.start_worker("decide")
        eventually(lambda: house.ready("decide-1"))
        woken_at = time.monotonic() + SESSION_TIMEOUT_S / 2 + 1
        house.signal("decide-1", signal.SIGSTOP)
        eventually(lambda: time.monotonic() > woken_at)
        house.signal("decide-1", signal.SIGCONT)

        assert house.ended("decide-1") == EXIT_UNFINISHED
        assert "worker_stood_still" in house.log("decide-1")
