"""From a log line to a message: who is told, who is not, also when workers are killed."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.directory import Device
from schemas import topics
from tests.end_to_end.machine import Machine, eventually, machine
from tests.people import list_in, somebody

pytestmark = pytest.mark.kafka
RULES = """
[[rule]]
name = "grid_lost"
stream = "transitions"
needs = "grid"
when = { field = "source", not_equals = "grid" }
for = "1m"
reset = "10m"
clear_for = "1m"
"""
HOMES = 40
PER_HOME = 2 * 3  # fired and resolved, to ann by email and push and to bob by email


def minutes_ago(minutes: float) -> str:
    # Not of one instant for all tests: what is to be told would be too old when a late one runs.
    return f"{datetime.now(UTC) - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ}"


def home(folder: Path, servers: str, *moves: tuple[float, str, str]) -> Path:
    """Write the logs of a device whose source moved so many minutes ago."""
    folder.mkdir()
    (folder / "notifications.config").write_text(
        f'device = "{folder.name}"\nbrokers = "{servers}"\n'
    )
    lines = [f"{minutes_ago(ago)} from={before} to={after}\n" for ago, before, after in moves]
    (folder / "Transition.log").write_text("".join(lines))
    return folder


def people(house: Machine, devices: list[str]) -> None:
    for device in devices:
        ann, bob = f"ann-{device}", f"bob-{device}"
        mail, never = f"{ann}@example.com", {"sms": "never"}
        list_in(
            house.home,
            *somebody(ann, email=mail, push="token", sms="+15550100", flags=never),
            *somebody(bob, email=f"{bob}@example.com"),
            Device(device=device, owners=(ann, bob)),
        )


@pytest.fixture(name="rules")
def _rules(tmp_path: Path) -> Path:
    file = tmp_path / "rules.toml"
    file.write_text(RULES)
    return file


def outcomes(house: Machine) -> Counter[str]:
    return Counter(json.loads(each)["type"] for each in house.values(topics.DELIVERIES))


def outbox(house: Machine) -> list[Path]:
    return sorted((house.home / "outbox").glob("*/[!.]*"))


def test_flags_suppression_and_age_decide_what_is_told(tmp_path: Path, rules: Path) -> None:
    with machine(tmp_path / "home", rules) as house:
        people(house, ["shop", "old", "over"])
        for app in ("decide", "route", "deliver"):
            house.start_worker(app)
        twice = home(
            tmp_path / "shop", house.servers,
            (20, "grid", "inverter"), (17, "inverter", "grid"),
            (14, "grid", "inverter"), (12, "inverter", "grid"),
        )  # fmt: skip
        old = home(tmp_path / "old", house.servers, (300, "grid", "none"))
        over = home(tmp_path / "over", house.servers, (300, "grid", "none"), (200, "none", "grid"))
        for folder in (twice, old, over):
            house.start_edge(folder, minutes_ago(0))
        eventually(lambda: outcomes(house)["sent"] == PER_HOME + 3 + 3)
        house.audit()
        told = [json.loads(each) for each in house.values(topics.NOTIFICATIONS)]
        kinds = Counter(each["kind"] for each in told if each["type"] == "decision")
        became = Counter((each["device"], each["type"]) for each in told if "decision" in each)
        files = Counter(path.parent.name for path in outbox(house))

        assert kinds == {"fired": 3, "resolved": 2, "suppressed": 1, "suppressed_resolved": 1}
        assert became[("old", "released")] == 1  # it still holds: told afresh
        assert [each["device"] for each in told if each["type"] == "digest"] == ["over"]
        assert files == {"email": 8, "push": 4}
        assert outcomes(house) == dict.fromkeys(("queued", "attempt", "sent"), PER_HOME + 6)

        fired = [each for each in told if each.get("kind") == "fired"]
        ids = {each["device"]: each["id"] for each in fired}
        assert (
            house.run("ack", ids["old"][:12], "--by", "ann")
            == b"grid_lost on old: ann sees to it\n"
        )
        assert b"it is over" in house.fails("ack", ids["shop"])
        assert b"there is none" in house.fails("ack", "zzzz")
        eventually(lambda: outcomes(house)["acknowledged"] == 2)  # by ann, told to her and to bob
        assert house.audit()["differences"] == []


def test_everybody_is_told_once_also_when_workers_are_killed(tmp_path: Path, rules: Path) -> None:
    with machine(tmp_path / "home", rules) as house:
        names = [f"home-{number}" for number in range(HOMES)]
        people(house, names)
        folders = [
            home(tmp_path / name, house.servers, (9, "grid", "none"), (5, "none", "grid"))
            for name in names
        ]
        for app in ("decide", "route", "deliver"):
            house.start_worker(app)
        for start in range(0, HOMES, 10):
            for folder in folders[start : start + 10]:
                house.run(
                    "edge", "--config", str(folder / "notifications.config"), "--once",
                    "--until", minutes_ago(0),
                )  # fmt: skip
            if start:  # every worker in turn, while what the others left is still on its way
                app = ("decide", "route", "deliver")[start // 10 - 1]
                house.kill(f"{app}-1")
                house.start_worker(app)
        messages = {
            json.loads(value)["id"]: json.loads(value)
            for topic in (topics.EMAIL, topics.PUSH)
            for value in house.values(topic)
        }
        eventually(lambda: len(outbox(house)) >= HOMES * PER_HOME)
        report = house.audit()
        told = Counter(
            (each["device"], each["kind"], each["recipient"], each["channel"])
            for topic in (topics.EMAIL, topics.SMS, topics.PUSH)
            for each in {each["id"]: each for each in map(json.loads, house.values(topic))}.values()
        )

        assert len(told) == HOMES * PER_HOME
        assert set(told.values()) == {1}
        assert len(outbox(house)) == HOMES * PER_HOME
        assert report["differences"] == []
        assert set(messages) <= {path.stem.rsplit("-", 1)[1] for path in outbox(house)}
