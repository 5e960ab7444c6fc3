"""The right person, by the right channel, when it helps: each promise on the whole system.

Texts go through Twilio's SDK to a stand-in that calls back; the rest goes to the folder. The
directory is on PostgreSQL.
"""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.broker.ports import free_port
from app.directory import Device, Group, Silence
from schemas import topics
from tests.end_to_end.machine import COMMAND, Machine, eventually, machine
from tests.end_to_end.test_told import home, minutes_ago
from tests.in_thread import in_thread
from tests.people import list_in, somebody
from tests.postgres import new_database
from tests.providers.twilio_peer import ACCOUNT, TOKEN, Peer, twilio

pytestmark = pytest.mark.kafka
RULE = """
[[rule]]
name = "{name}"
stream = "transitions"
needs = "grid"
severity = "{severity}"
when = {{ field = "source", equals = "{source}" }}
for = "1m"
reset = "1h"
{more}
"""
RULES = RULE.format(name="grid_lost", severity="warning", source="inverter", more="") + RULE.format(
    name="dark", severity="critical", source="none", more='escalate_after = "3s"'
)
NUMBERS = {name: f"+1555010{n}" for n, name in enumerate(("ann", "eve", "fay", "ivy"))}


class House:
    """The programs and the stand-in, and what came of it."""

    def __init__(self, house: Machine, peer: Peer, folder: Path) -> None:
        self.machine, self.peer, self._folder = house, peer, folder

    def loses(self, device: str, source: str = "inverter") -> None:
        """Let ``device`` have lost its grid for three minutes."""
        logs = home(self._folder / device, self.machine.servers, (3, "grid", source))
        config = str(logs / "notifications.config")
        self.machine.run("edge", "--config", config, "--once", "--until", minutes_ago(0))

    def deliveries(self, **fields: str) -> list[dict[str, Any]]:
        """Return the records that have these ``fields``."""
        records = map(json.loads, self.machine.values(topics.DELIVERIES))
        return [each for each in records if each.items() >= fields.items()]

    def sent(self, person: str) -> Counter[str]:
        """Return by which channels ``person`` was sent how many texts."""
        return Counter(each["channel"] for each in self.deliveries(type="sent", recipient=person))


@pytest.fixture(name="house", scope="module")
def _house(tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("delivery")
    rules, secret = folder / "rules.toml", folder / "token"
    rules.write_text(RULES)
    secret.write_text(TOKEN)
    port, database = free_port(), new_database(postgres)
    with in_thread(twilio()) as peer:
        env: dict[str, Any] = {
            "CHANGEOVER_SMS": f"twilio://{ACCOUNT}?from=+15550199&api={peer.api}",
            "CHANGEOVER_SMS_SECRET_FILE": str(secret),
            "CHANGEOVER_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "CHANGEOVER_RECEIPTS_PORT": str(port),
            "CHANGEOVER_DATABASE": database,
        }
        with machine(folder / "home", rules, **env) as house:
            list_everybody(database)
            house.start("receipts", *COMMAND, "receipts")
            for app in ("decide", "route", "deliver"):
                house.start_worker(app)
            eventually(lambda: b"receipts at " in (house.home / "receipts.log").read_bytes())
            yield House(house, peer, folder)


def list_everybody(database: str) -> None:
    now = datetime.now(UTC)
    night = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=1):%H:%M}"
    list_in(
        database,
        *somebody("ann", email="ann@example.com", sms=NUMBERS["ann"], flags={"sms": FOR_WORST}),
        *somebody("bob", email="bob@example.com", flags={"quiet": night}),
        *somebody("eve", sms=NUMBERS["eve"]),
        *somebody("fay", push="fay-phone", sms=NUMBERS["fay"], flags={"sms": "unanswered"}),
        *somebody("hal", email="hal@example.com"),
        Group(group="south"),
        *(Device(device=f"flags-{n}", owners=("ann",)) for n in (1, 2)),
        *(Device(device=f"quiet-{n}", owners=("bob",)) for n in (1, 2)),
        *somebody("ivy", sms=NUMBERS["ivy"]),
        *(Device(device=f"cap-{n}", owners=("eve",)) for n in (1, 2, 3)),
        Device(device="received", owners=("ivy",)),
        Device(device="escalated", owners=("fay",), operators=("hal",)),
        Device(device="silenced", owners=("ann",), groups=("south",)),
        Silence(silence="s1", group="south", until=now + timedelta(hours=1), author="hal"),
    )


FOR_WORST = "critical=always"


def test_flags_decide_by_channel_and_severity(house: House) -> None:
    house.loses("flags-1")
    eventually(lambda: house.sent("ann")["email"] == 1)
    house.loses("flags-2", "none")
    eventually(lambda: house.sent("ann") == {"email": 2, "sms": 1})

    (form,) = [each for each in house.peer.forms if each["To"] == NUMBERS["ann"]]
    assert form["Body"].startswith("flags-2: ")


def test_who_was_texted_has_received_it_twilio_says(house: House) -> None:
    house.loses("received")
    eventually(lambda: bool(house.deliveries(type="delivered", recipient="ivy")))
    (sent,) = house.deliveries(type="sent", recipient="ivy")
    (arrived,) = house.deliveries(type="delivered", recipient="ivy")

    assert (sent.pop("parts"), sent.pop("alphabet")) == (1, "GSM-7")
    assert {**arrived, "type": "sent"} == sent
    assert set(house.peer.called_back) == {204}


def test_quiet_hours_hold_back_what_is_not_critical(house: House) -> None:
    house.loses("quiet-1")
    eventually(lambda: bool(house.deliveries(type="waits", recipient="bob")))
    house.loses("quiet-2", "none")
    eventually(lambda: house.sent("bob")["email"] == 1)

    (waits,) = house.deliveries(type="waits", recipient="bob")
    assert waits["reason"] == "quiet hours"
    queued = house.deliveries(type="queued")
    (passed,) = house.deliveries(type="sent", recipient="bob")
    devices = {each["message"]["id"]: each["message"]["device"] for each in queued}
    assert devices[passed["message"]] == "quiet-2"
    assert devices[waits["message"]] == "quiet-1"


def test_a_silence_holds_back_and_says_so(house: House) -> None:
    before = house.sent("ann")
    house.loses("silenced")
    eventually(lambda: bool(house.deliveries(type="waits", recipient="ann")))

    (waits,) = house.deliveries(type="waits", recipient="ann")
    assert waits["reason"] == "silenced by hal"
    assert house.sent("ann") == before


def test_a_cap_gathers_what_follows_into_one_text(house: House) -> None:
    for number in (1, 2, 3):
        house.loses(f"cap-{number}")
    eventually(lambda: house.sent("eve")["sms"] == 2)
    forms = [each["Body"] for each in house.peer.forms if each["To"] == NUMBERS["eve"]]
    last = house.deliveries(type="sent", recipient="eve")[-1]

    assert len(forms) == 2
    assert len(last["also"]) == 1
    assert [f"cap-{number}" in "".join(forms) for number in (1, 2, 3)] == [True] * 3


def test_what_nobody_acknowledges_goes_to_the_next_channel_and_person(house: House) -> None:
    house.loses("escalated", "none")
    eventually(lambda: house.sent("hal")["email"] == 1)

    assert house.sent("fay") == {"push": 1, "sms": 1}
    said = [json.loads(each) for each in house.machine.values(topics.NOTIFICATIONS)]
    unanswered = [each for each in said if each["type"] == "unanswered"]
    assert [each["recipient"] for each in unanswered if each["device"] == "escalated"][:2] == [
        "fay",
        "fay",
    ]
    assert "outboxes" in json.loads(house.machine.run("tables", "show", "fay"))
    assert house.machine.verify()["differences"] == []


def test_the_audit_finds_what_was_decided(house: House) -> None:
    assert house.machine.audit()["differences"] == []
