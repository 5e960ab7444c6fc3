"""What was decided is committed, also behind a first record that came alone."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from app import kafka
from schemas import topics
from schemas.codec import encode
from tests.chaos.fleet import Device
from tests.end_to_end.machine import eventually, machine

pytestmark = pytest.mark.kafka
RULES = Path(__file__).parents[2] / "tables" / "default_rules.toml"


async def _send(servers: str, values: list[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers, linger_ms=100) as producer:
        sent = [await producer.send(topics.PROBES, value, key=b"home") for value in values]
        await asyncio.gather(*sent)


async def _committed(servers: str) -> tuple[int, int]:
    """Return how many records of ``probes`` are committed, and how many there are."""
    ends = await kafka.end_offsets(servers, [topics.PROBES])
    async with kafka.administering(servers) as admin:
        found = await admin.list_consumer_group_offsets(topics.DECIDE)
    done = (each.offset for partition, each in found.items() if partition.topic == topics.PROBES)
    return sum(max(0, offset) for offset in done), sum(ends.values())


def test_a_batch_behind_the_first_record_of_a_partition_is_committed(tmp_path: Path) -> None:
    device = Device("home", "commits", calm=True)
    while len(device.told[topics.PROBES]) < 60:
        device.step()
    values = [encode(event) for event in device.told[topics.PROBES]]
    with machine(tmp_path / "house", RULES) as house:
        house.start_worker("decide")
        eventually(lambda: house.ready("decide-1"))
        for first, end in ((0, 1), (1, 30), (30, 60)):
            asyncio.run(_send(house.servers, values[first:end]))
            eventually(lambda: asyncio.run(_committed(house.servers)) == (end, end))  # noqa: B023
