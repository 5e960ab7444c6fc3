"""Through a real Kafka: everything once, in order, whatever is killed in between.

Every test has a device of its own, so that it needs no topic for itself.
"""

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas import topics
from tests.edge.logs import (
    READINGS,
    TRANSITIONS,
    append,
    environment,
    reading_text,
    transition_text,
    write_many,
)

STREAMS = (topics.TRANSITIONS, topics.PROBES, topics.WINDOWS, topics.ACTIVE, topics.MALFORMED)
EVENTS = 4_000

pytestmark = pytest.mark.kafka


async def _create(servers: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        missing = set(STREAMS) - set(await admin.list_topics())
        wanted = [topic for topic in topics.TOPICS if topic.name in missing]
        await admin.create_topics(
            [
                NewTopic(topic.name, topics.PARTITIONS, 1, topic_configs=topic.config)
                for topic in wanted
            ]
        )
    finally:
        await admin.close()


async def _read(servers: str, device: str) -> list[tuple[TopicPartition, dict[str, Any]]]:
    """Return the records of ``device`` on all its streams, each partition in order."""
    places = [TopicPartition(name, part) for name in STREAMS for part in range(topics.PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found = list[tuple[TopicPartition, dict[str, Any]]]()
        for place in (place for place in places if ends[place]):
            consumer.assign([place])
            consumer.seek(place, 0)
            while await consumer.position(place) < ends[place]:
                fetched = await consumer.getmany(place, timeout_ms=1000)
                records = fetched.get(place, [])
                mine = (record for record in records if record.key == device.encode())
                found += [(place, msgspec.json.decode(record.value)) for record in mine]
        return found
    finally:
        await consumer.stop()


@pytest.fixture
def device(tmp_path: Path, kafka: str) -> str:
    asyncio.run(_create(kafka))
    name = f"home-{uuid4().hex}"
    text = f'device = "{name}"\nbrokers = "{kafka}"\n'
    (tmp_path / "notifications.config").write_text(text)
    write_many(tmp_path, EVENTS)
    return name


def start(folder: Path) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", "from app.cli import main; main()"]
    arguments = ["edge", "--once", "--json", "--config", str(folder / "notifications.config")]
    return subprocess.Popen(
        [*program, *arguments], stdout=subprocess.PIPE, text=True, env=environment()
    )


def finish(folder: Path) -> dict[str, Any]:
    with start(folder) as edge:
        output, _ = edge.communicate(timeout=120)
    assert edge.returncode == 0
    summary: dict[str, Any] = msgspec.json.decode(output)
    return summary


def seqs(found: list[tuple[TopicPartition, dict[str, Any]]], stream: str) -> list[int]:
    return [record["seq"] for place, record in found if place.topic == stream]


def test_once_ships_everything_once_and_in_order(tmp_path: Path, kafka: str, device: str) -> None:
    summary = finish(tmp_path)

    found = asyncio.run(_read(kafka, device))
    assert Counter(place.topic for place, _ in found) == Counter(summary["spooled"])
    assert summary["waiting"] == 0
    for stream in (topics.TRANSITIONS, topics.PROBES, topics.WINDOWS):
        count = summary["spooled"][stream]
        assert seqs(found, stream) == list(range(1, count + 1))


def test_a_backlog_keeps_no_transition_waiting(tmp_path: Path, kafka: str, device: str) -> None:
    many = 60_000
    append(tmp_path, READINGS, "".join(reading_text(10 * n) for n in range(EVENTS, many)))
    config = str(tmp_path / "notifications.config")
    program = [sys.executable, "-c", "from app.cli import main; main()", "edge", "--config", config]

    def shipped(kind: str) -> int:
        return sum(r["type"] == kind for _, r in asyncio.run(_read(kafka, device)))

    with subprocess.Popen(program, env=environment()) as edge:
        while not shipped("reading"):
            pass
        before = shipped("transition")
        append(tmp_path, TRANSITIONS, transition_text(10 * many, "none"))
        while shipped("transition") == before:
            pass
        overtaken = shipped("reading")
        edge.terminate()

    assert 0 < overtaken < many


def test_killed_in_the_middle_it_leaves_no_gap_and_no_other_event(
    tmp_path: Path, kafka: str, device: str
) -> None:
    spool = tmp_path / "spool.db-wal"
    with start(tmp_path) as edge:
        while edge.poll() is None and not (spool.exists() and spool.stat().st_size > 100_000):
            pass  # until it is in the middle
        edge.kill()
    assert edge.returncode == -signal.SIGKILL
    finish(tmp_path)

    found = asyncio.run(_read(kafka, device))
    readings = {r["seq"]: r["line"] for _, r in found if r["type"] == "reading"}
    assert sorted(readings.values()) == list(range(1, EVENTS + 1))
    for stream in (topics.TRANSITIONS, topics.PROBES):
        distinct = {record["seq"] for place, record in found if place.topic == stream}
        assert distinct == set(range(1, len(distinct) + 1))
    assert len({record["epoch"] for _, record in found if "epoch" in record}) == 1
