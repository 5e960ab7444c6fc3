"""A device that nobody hears of any more, and hears of again, on the real programs."""

from pathlib import Path

import msgspec
import pytest

from schemas import codec, topics
from schemas.decision import Decision
from schemas.liveness import Gap, Heard, LivenessTick, Silent
from tests.end_to_end import logs
from tests.end_to_end.machine import Machine, eventually, machine

pytestmark = pytest.mark.kafka
RULES = """
[[rule]]
name = "device_silent"
stream = "liveness"
when = { field = "silent", equals = true }
for = "3s"
clear_for = "1s"
"""


def test_a_silent_device_is_told_whichever_worker_listens(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    with machine(tmp_path / "house", rules, CHANGEOVER_SILENT_AFTER="4s") as house:
        folder = tmp_path / "shop"
        logs.write(folder, house.servers, seed=1, lines=20)
        house.start_worker("decide", 1)
        house.start_edge(folder, "2026-04-01T00:00:00Z")
        eventually(lambda: house.finished("edge-shop"))
        eventually(lambda: decisions(house) == [("device_silent", "fired")])
        house.kill("decide-1")
        with (folder / "Transition.log").open("ab") as log:
            log.write(b"2026-04-01T01:00:00Z from=grid to=inverter\n")
        house.start_edge(folder, "2026-04-02T00:00:00Z")
        house.start_worker("decide", 2)
        eventually(lambda: decisions(house)[1:2] == [("device_silent", "resolved")])
        written = msgspec.json.Decoder(Silent | Heard | LivenessTick | Gap)
        seen = [written.decode(each) for each in house.values(topics.LIVENESS)]
        report = house.audit()

    assert {type(each) for each in seen} >= {Silent, Heard, LivenessTick}
    assert report["differences"] == []


def decisions(house: Machine) -> list[tuple[str, str]]:
    found = [codec.notification.decode(each) for each in house.values(topics.NOTIFICATIONS)]
    told = [each for each in found if isinstance(each, Decision)]
    return [_named(each) for each in sorted(told, key=lambda each: each.at)]


def _named(decision: Decision) -> tuple[str, str]:
    return decision.rule, str(decision.kind)
