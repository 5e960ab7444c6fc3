"""The audit finds what was altered; rubbish on a topic is parked and stops nothing."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from app.stream.envelope import opened, sealed
from schemas import topics
from tables import entries
from tests.end_to_end import logs
from tests.end_to_end.machine import Machine, decided, decisions, eventually, machine

pytestmark = pytest.mark.kafka
UNTIL = "2026-04-01T00:00:00Z"
RUBBISH = (
    b"not JSON",
    b'{"type":"tick","more":' + b"[" * 5_000,
    b'{"type":"transition","v":2}',
    b"\xff\xfe\x00",
    b'{"type":"from the future","v":1}',
    b"",
    b"\x00" * 1_000_000,
    b'{"type":"tick","device":"' + b"\x01" * 900_000,
)


@pytest.fixture(name="rules")
def _rules(tmp_path: Path) -> Path:
    file = tmp_path / "rules.toml"
    file.write_text(
        '[[rule]]\nname = "off_grid"\nstream = "transitions"\n'
        'when = { field = "source", not_equals = "grid" }\n'
    )
    return file


async def _send(servers: str, topic: str, key: bytes, values: list[bytes | None]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=key)


def send(house: Machine, topic: str, key: bytes, *values: bytes | None) -> None:
    asyncio.run(_send(house.servers, topic, key, list(values)))


def decide_a_shop(house: Machine, folder: Path, lines: int) -> None:
    """Write logs into ``folder``, ship them, and have a worker decide on them."""
    logs.write(folder, house.servers, seed=1, lines=lines)
    house.start_worker("decide")
    house.start_edge(folder, UNTIL)
    eventually(lambda: house.finished("edge-shop"))


def test_an_altered_decision_is_found(tmp_path: Path, rules: Path) -> None:
    with machine(tmp_path / "home", rules) as house:
        decide_a_shop(house, tmp_path / "shop", lines=300)
        untouched = house.audit()
        first, *_ = decisions(house.values(topics.NOTIFICATIONS))
        altered = json.loads(first) | {"severity": "critical"}
        invented = altered | {"id": "0" * 32}
        send(house, topics.NOTIFICATIONS, b"shop", json.dumps(altered).encode())
        send(house, topics.NOTIFICATIONS, b"shop", json.dumps(invented).encode(), b"rubbish")
        report = house.audit(codes=(1,))

        assert (untouched["differences"], untouched["decisions"] > 0) == ([], True)
        assert [each["id"] for each in report["differences"][:2]] == [altered["id"], "0" * 32]
        assert json.loads(report["differences"][0]["expected"])["severity"] == "warning"
        assert len(report["differences"]) == 3


def test_an_altered_state_is_found(tmp_path: Path, rules: Path) -> None:
    changelog = topics.changelog(topics.DECIDE, topics.SUPPLY_TABLE)
    with machine(tmp_path / "home", rules) as house:
        decide_a_shop(house, tmp_path / "shop", lines=100)
        house.audit()  # which waits for the worker
        untouched = house.verify()
        shown = json.loads(house.run("tables", "show", "shop"))
        offset, state = opened(house.values(changelog)[-1])
        entry = entries.read(state)
        altered = entries.written(msgspec.structs.replace(entry, seq=entry.seq + 1))
        send(house, changelog, b"shop", sealed(offset, altered))
        (difference,) = house.verify()["differences"]
        send(house, changelog, b"shop", sealed(offset + 1, b"\xff"))
        (unreadable,) = house.verify()["differences"]

        assert (untouched["states"], untouched["differences"]) == (2, [])
        assert shown["supply"]["seq"] == entry.seq
        assert (difference["table"], difference["key"]) == ("supply", "shop")
        assert unreadable["stored"]["unreadable"] == "ff"
        assert difference["stored"]["seq"] == difference["rebuilt"]["seq"] + 1
        assert b"nothing is kept of nobody" in house.fails("tables", "show", "nobody")


def test_rubbish_is_parked_and_the_rest_decided(tmp_path: Path, rules: Path) -> None:
    with machine(tmp_path / "home", rules) as house:
        folder = tmp_path / "shop"
        logs.write(folder, house.servers, seed=2, lines=300)
        for app in ("decide", "route", "deliver"):
            house.start_worker(app)
        before = house.count(topics.MALFORMED)
        for topic in (topics.TRANSITIONS, topics.PROBES, topics.NOTIFICATIONS, topics.SMS):
            send(house, topic, b"shop", *RUBBISH, None)
        house.start_edge(folder, UNTIL)
        eventually(lambda: house.finished("edge-shop"))
        from_logs = json.loads(house.run("decide", str(folder), "--summary", "--json"))["malformed"]
        parked = 4 * (len(RUBBISH) + 1)
        eventually(lambda: house.count(topics.MALFORMED) == before + parked + from_logs)
        report = house.audit(codes=(1,))  # the rubbish on `notifications` is nobody's decision
        malformed = [json.loads(value) for value in house.values(topics.MALFORMED)]
        reasons = {each["origin"]: each["reason"] for each in malformed}
        good = decisions(house.values(topics.NOTIFICATIONS))

        assert report["unreadable"] == 2 * (len(RUBBISH) + 1)
        assert (
            decided(good)[0]
            == decided(
                house.run(
                    "decide", str(folder), "--until", UNTIL, "--rules", str(rules)
                ).splitlines()
            )[0]
        )
        assert all(reasons.values())
        assert any(each["base64"] == "//4A" for each in malformed)
        assert any(len(each["text"] or "") > 5_000 for each in malformed)
        assert sum(len(each["base64"] or "") > 1_000_000 for each in malformed) == 4 * 2
