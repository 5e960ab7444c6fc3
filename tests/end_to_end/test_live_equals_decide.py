"""Logs through edge, Kafka and workers give exactly the decisions of ``changeover decide``."""

from datetime import date
from importlib import resources
from pathlib import Path

import pytest

from schemas import topics
from tests import recordings
from tests.end_to_end import logs
from tests.end_to_end.machine import Machine, decided, decisions, eventually, machine

pytestmark = pytest.mark.kafka
OFF_GENERATOR = """
[[rule]]
name = "off_generator"
stream = "transitions"
when = { field = "source", equals = "inverter" }
for = "2m"
reset = "1h"
clear_for = "1m"
repeat = false
"""


@pytest.fixture(name="rules")
def _rules(tmp_path: Path) -> Path:
    default = resources.files("tables").joinpath("default_rules.toml").read_text()
    file = tmp_path / "rules.toml"
    file.write_text(default + OFF_GENERATOR)
    return file


def expected(house: Machine, folders: list[Path], until: str) -> dict[str, bytes]:
    """Return what ``changeover decide`` prints for all devices, by id."""
    lines: list[bytes] = []
    for folder in folders:
        lines += house.run(
            "decide", str(folder), "--rules", _file(house), "--until", until
        ).splitlines()
    return decided(lines)[0]


def _file(house: Machine) -> str:
    return str(house.home.parent / "rules.toml")


def ship(house: Machine, folders: list[Path], until: str) -> None:
    for folder in folders:
        house.start_edge(folder, until)
    for folder in folders:
        eventually(lambda name=f"edge-{folder.name}": house.finished(name))  # type: ignore[misc]


def test_made_up_logs_are_decided_alike_and_bad_lines_are_kept(tmp_path: Path, rules: Path) -> None:
    until = "2026-04-01T00:00:00Z"
    with machine(tmp_path / "home", rules) as house:
        folders = [tmp_path / f"home-{number}" for number in range(6)]
        bad = sum(logs.write(each, house.servers, seed, 2_000) for seed, each in enumerate(folders))
        house.start_worker("decide", 1)
        house.start_worker("decide", 2)
        ship(house, folders, until)
        report = house.audit()
        values = house.values(topics.NOTIFICATIONS)
        seen, copies = decided(decisions(values))[0], decided(values)[1]

        assert seen == expected(house, folders, until)
        assert (report["differences"], copies) == ([], report["copies"])
        assert house.count(topics.MALFORMED) == bad > 0


@pytest.mark.recording
@pytest.mark.parametrize("kills", [False, True], ids=["undisturbed", "killed"])
def test_the_recording_is_decided_alike(tmp_path: Path, rules: Path, kills: bool) -> None:
    until = "2019-03-01T00:00:00Z"
    with machine(tmp_path / "home", rules) as house:
        folders = recorded(tmp_path, house.servers)
        for number in (1, 2):
            house.start_worker("decide", number)
        if kills:
            ship_while_killing(house, folders, until)
        else:
            ship(house, folders, until)
        report = house.audit()
        values = house.values(topics.NOTIFICATIONS)
        seen, copies = decided(decisions(values))[0], decided(values)[1]
        print(f"\n{len(seen)} decisions, {copies} copies; the audit says {report}")

        assert seen == expected(house, folders, until)
        assert (report["differences"], report["missing"]) == ([], 0)


def recorded(folder: Path, servers: str) -> list[Path]:
    """Write the recording as four devices, for two workers: all of it, and three months."""
    spans = {
        "studer-site1": None,
        "april": date(2018, 4, 1),
        "june": date(2018, 6, 1),
        "july": date(2018, 7, 1),
    }
    for name, start in spans.items():
        (folder / name).mkdir()
        recordings.studer_site1(folder / name, start=start, days=None if start is None else 30)
        config = f'device = "{name}"\nbrokers = "{servers}"\n'
        (folder / name / "notifications.config").write_text(config)
    return [folder / name for name in spans]


def ship_while_killing(house: Machine, folders: list[Path], until: str) -> None:
    """Ship, with two SIGKILLs of a worker and one of an edge in the middle."""
    for folder in folders:
        house.start_edge(folder, until)
    eventually(lambda: house.count(topics.NOTIFICATIONS) > 1_000)
    house.kill("decide-1")
    house.start_worker("decide", 1)
    eventually(lambda: house.count(topics.PROBES) > 150_000)
    house.kill("edge-studer-site1")
    house.start_edge(folders[0], until)
    house.kill("decide-2")
    house.start_worker("decide", 2)
    for folder in folders:
        eventually(lambda name=f"edge-{folder.name}": house.finished(name))  # type: ignore[misc]
