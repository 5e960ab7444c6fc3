"""One short run of the chaos; ``make chaos`` runs others, and longer."""

from pathlib import Path

import pytest

from tests.chaos.run import run

pytestmark = pytest.mark.kafka
SECONDS = 60


def test_nothing_is_lost_and_nothing_decided_twice(tmp_path: Path) -> None:
    outcome = run(tmp_path / "house", seed=7, seconds=SECONDS)
    print(f"\n{outcome}")

    assert outcome.wrong == []
    assert sum(outcome.faults.values()) >= 5
    assert outcome.decisions > 1_000
    assert outcome.gaps > 10
    assert outcome.slowest_stop_s <= 10
