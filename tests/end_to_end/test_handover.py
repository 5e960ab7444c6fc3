"""A device without internet texts by itself, and the servers do not tell those it texted again."""

import json
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.sim800 import Simulator
from schemas import topics
from tests.end_to_end.machine import Machine, decisions, eventually, machine
from tests.end_to_end.wire import Wire, wire
from tests.people import home_of, list_in, somebody

pytestmark = pytest.mark.kafka
ANN, BOB = "+380441234567", "+15550101"
CONFIG = """\
device = "home"
brokers = "{brokers}"
settle = "0.2s"
tick = "1s"
numbers = ["{number}"]
handoff = "3s"

[modem]
port = "{modem}"

[[rule]]
name = "grid_lost"
for = "2s"
clear_for = "1s"
reset = "1s"
"""


def write(folder: Path, before: str, after: str) -> None:
    with (folder / "Transition.log").open("a") as file:
        file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ} from={before} to={after}\n")


def people(house: Machine) -> None:
    ann = somebody("ann", sms=ANN, email="ann@example.com")
    list_in(house.home, *ann, *somebody("bob", sms=BOB), home_of("ann", "bob"))


def texts(house: Machine) -> Counter[tuple[str, str]]:
    """Return which numbers the servers text, and of what."""
    messages = [json.loads(each) for each in house.values(topics.SMS)]
    return Counter((each["address"], each["kind"]) for each in messages)


def told(house: Machine, kind: str) -> list[dict[str, Any]]:
    values = (json.loads(each) for each in house.values(topics.NOTIFICATIONS))
    return [each for each in values if each["type"] == kind]


def outcomes(house: Machine) -> Counter[str]:
    return Counter(json.loads(each)["type"] for each in house.values(topics.DELIVERIES))


def home(folder: Path, line: Wire, sim: Simulator) -> Path:
    folder.mkdir()
    config = CONFIG.format(brokers=line.address, number=ANN, modem=sim.path)
    (folder / "notifications.config").write_text(config)
    return folder


@pytest.fixture(name="rules")
def _rules(tmp_path: Path) -> Path:
    file = tmp_path / "rules.toml"
    file.write_text(
        '[[rule]]\nname = "grid_lost"\nstream = "transitions"\nneeds = "grid"\n'
        'when = { field = "source", not_equals = "grid" }\n'
    )
    return file


def test_without_internet_the_device_texts_and_the_servers_tell_the_others(
    tmp_path: Path, rules: Path
) -> None:
    with (
        wire() as line,
        Simulator(tmp_path / "modem") as sim,
        machine(tmp_path / "servers", rules, line.outside) as house,
    ):
        people(house)
        for app in ("decide", "route", "deliver"):
            house.start_worker(app)
        folder = home(tmp_path / "home", line, sim)
        write(folder, "inverter", "grid")
        house.follow(folder)
        eventually(lambda: len(told(house, "adopted")) == 2)
        line.cut()
        write(folder, "grid", "inverter")
        eventually(lambda: len(sim.sent) == 1)
        assert house.values(topics.SMS) == []
        line.mend()
        eventually(lambda: texts(house)[BOB, "fired"] == 1)
        eventually(lambda: len(told(house, "answered")) == 1)
        write(folder, "inverter", "grid")
        eventually(lambda: texts(house)[BOB, "resolved"] == 1)
        # By the device; fired to two addresses, resolved to three: one text waits for its cap.
        eventually(lambda: outcomes(house)["sent"] == 1 + 2 + 3)
        house.interrupt("edge-home")
        report = house.audit()
        log = (folder / "activeNotifications.log").read_text().splitlines()

        assert ("the grid is lost" in sim.sent[0].text.text, sim.sent[0].text.number) == (True, ANN)
        assert texts(house) == {(BOB, "fired"): 1, (ANN, "resolved"): 1, (BOB, "resolved"): 1}
        assert [each["possible_double"] for each in told(house, "claimed")] == [False]
        assert [each["outcomes"] for each in told(house, "answered")] == [{ANN: "sent"}]
        assert report["differences"] == []
        assert len(decisions(house.values(topics.NOTIFICATIONS))) == 2
        assert [line.split(" ", 1)[1].split(" ", 1)[1] for line in log] == [
            "rule=grid_lost state=firing channel=sim outcome=sent to=+380...567",
            "rule=grid_lost state=resolved channel=servers outcome=taken",
        ]


def test_what_the_modem_cannot_text_the_servers_do(tmp_path: Path, rules: Path) -> None:
    with (
        wire() as line,
        Simulator(tmp_path / "modem") as sim,
        machine(tmp_path / "servers", rules, line.outside) as house,
    ):
        sim.core.strength = 0
        people(house)
        for app in ("decide", "route", "deliver"):
            house.start_worker(app)
        folder = home(tmp_path / "home", line, sim)
        write(folder, "inverter", "grid")
        house.follow(folder)
        eventually(lambda: len(told(house, "adopted")) == 2)
        line.cut(silently=True)
        write(folder, "grid", "inverter")
        time.sleep(8)  # until it has claimed what nobody took; it says so only when it is mended
        line.mend()
        eventually(lambda: texts(house)[ANN, "fired"] == 1)
        house.audit()

        assert [each["outcomes"] for each in told(house, "answered")] == [{ANN: "handed_back"}]
        assert sim.sent == []
        assert texts(house) == {(ANN, "fired"): 1, (BOB, "fired"): 1}
