"""One short run of the chaos of delivery; ``make deliveries`` runs others, and longer."""

from pathlib import Path

import pytest

from schemas.delivery import Channel
from tests.chaos.deliver import run

pytestmark = pytest.mark.kafka


@pytest.mark.parametrize("channel", Channel)
def test_no_message_is_lost_and_what_arrives_twice_was_called_unknown(
    tmp_path: Path, channel: Channel
) -> None:
    outcome = run(tmp_path / "home", messages=200, seed=7, channel=channel, kills_for_s=20)
    print(f"\n{outcome}")

    assert outcome.wrong == []
    assert outcome.kills >= 1
    assert sum(outcome.faults.values()) >= 10
    assert outcome.unknown >= 5
    assert channel is not Channel.SMS or outcome.twice == 0  # they are looked up before
