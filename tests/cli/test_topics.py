"""``changeover topics`` on a real Kafka."""

import asyncio
import json
from datetime import UTC, datetime
from secrets import token_hex

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from app.cli import cli
from schemas import codec, topics
from schemas.decision import Kind, Severity
from schemas.delivery import Channel, Message

pytestmark = pytest.mark.kafka


@pytest.fixture(name="people")
def _people(kafka: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return who was sent a message, oldest first, each to a partition of their own hash."""
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    people = [f"ann-{token_hex(4)}" for _ in range(12)]
    asyncio.run(_send(kafka, people))
    return people


async def _send(servers: str, people: list[str]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for person in people:
            now = datetime.now(UTC)
            message = Message(
                id=person, notification="n", device=f"home of {person}", rule="lost",
                kind=Kind.FIRED, severity=Severity.INFO, recipient=person, channel=Channel.SMS,
                address="+2348012345678", subject="s", text="one\nline \x1b[31m", at=now,
                useful_until=now,
            )  # fmt: skip
            value = codec.encode(message)
            await producer.send_and_wait(topics.SMS, value, key=person.encode())
            await asyncio.sleep(0.002)  # else two would have one append time, and no order


def tail(*arguments: str) -> list[str]:
    result = CliRunner().invoke(cli, ["topics", "tail", topics.SMS, *arguments])
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def test_the_last_of_all_partitions_are_shown_in_order(people: list[str]) -> None:
    seen = [json.loads(line)["key"] for line in tail("-n", "5", "--json")]

    assert seen == people[-5:]
    assert tail("-n", "0") == []


def test_one_device_is_picked_out(people: list[str]) -> None:
    (line,) = tail("--device", f"home of {people[3]}")

    assert people[3] in line


def test_addresses_are_masked_and_control_characters_shown_harmless(people: list[str]) -> None:
    (line,) = tail("-n", "1")
    (revealed,) = tail("-n", "1", "--reveal")

    assert "+2348012345678" not in line
    assert "address=+23…78" in line
    assert "address=+2348012345678" in revealed
    assert line.isprintable()


def test_our_topics_are_listed_with_their_records(people: list[str]) -> None:
    result = CliRunner().invoke(cli, ["topics", "list", "--json"])
    found = {each["name"]: each for each in json.loads(result.output)}

    assert found[topics.SMS]["records"] >= len(people)
    assert found[topics.SMS]["kept"] == "1w"
