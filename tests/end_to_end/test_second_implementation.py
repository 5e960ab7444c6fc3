"""``changeover decide`` on real changeovers against the second implementation."""

from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

from app.cli.decide import Replay
from schemas.decision import Decision
from tables import rules
from tables.rules import parse
from tests import naive, naive_logs, recordings
from tests.end_to_end import logs
from tests.end_to_end.test_live_equals_decide import OFF_GENERATOR

RULES = rules.default() + parse(OFF_GENERATOR, "off_generator.toml")


def naively(folder: Path, device: str) -> list[Decision]:
    events = naive_logs.read(folder, None, device)
    both = (naive.decisions(RULES, device, stream, events[stream]) for stream in events)
    return sorted(chain.from_iterable(both), key=lambda decision: (decision.at, decision.rule))


@pytest.mark.recording
def test_the_recording_is_decided_as_naively(tmp_path: Path) -> None:
    recordings.studer_site1(tmp_path)
    seen = Replay(tmp_path, "studer-site1").decisions(RULES)
    print("\n", Counter((str(each.rule), str(each.kind)) for each in seen))

    assert seen == naively(tmp_path, "studer-site1")


@pytest.mark.parametrize("seed", range(5))
def test_made_up_logs_are_decided_as_naively(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "home"
    logs.write(folder, "127.0.0.1:1", seed, 1_000)

    assert Replay(folder, "home").decisions(RULES) == naively(folder, "home")
