"""100,000 records of rubbish among good ones, to one worker: it goes on, and nothing is lost."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from schemas import topics
from schemas.codec import encode
from tests.chaos.check import RULES, decide
from tests.chaos.fleet import STREAMS, Device, fleet
from tests.end_to_end.machine import decided, eventually, machine

pytestmark = pytest.mark.kafka
RUBBISH = 100_000
LARGE = 40
STEPS = 400
AT_ONCE = 2_000
Record = tuple[str, bytes | None, bytes | None]
Kind = Callable[[random.Random, bytes], bytes | None]


def changed(field: str, value: str) -> Kind:
    """Return a maker of good events of which one field is not as it must be."""

    def make(_: random.Random, good: bytes) -> bytes:
        fields = json.loads(good) | {field: "HERE"}
        return json.dumps(fields).replace('"HERE"', value).encode()

    return make


KINDS: dict[str, Kind] = {
    "random bytes": lambda chance, _: b"\xff" + chance.randbytes(chance.randrange(1, 300)),
    "truncated": lambda chance, good: good[: chance.randrange(len(good) - 1)],
    "of a wrong type": changed("seq", '"seven"'),
    "a list": lambda _, good: b"[" + good + b"]",
    "a huge number": changed("seq", "1" + "0" * 300),
    "no number": changed("ts", "1e999"),
    "below all numbers": changed("seq", "-1"),
    "deep": changed("more", "[" * 3_000 + "]" * 2_999),
    "from the future": changed("v", "2"),
    "of no known type": changed("type", '"moon"'),
    "out of time": changed("ts", '"0001-01-01T00:00:00Z"'),
    "of no source": changed("source", '"moon"'),
    "null": lambda *_: None,
    "empty": lambda *_: b"",
}


def rubbish(chance: random.Random, good: list[bytes]) -> list[Record]:
    """Return RUBBISH records for both streams that are none; some have a good value, a bad key."""
    records: list[Record] = []
    names = list(KINDS)
    for number in range(RUBBISH - LARGE):
        stream, event = chance.choice(STREAMS), chance.choice(good)
        key: bytes | None = f"house-{number % 6}".encode()
        name = chance.choice([*names, "without a key", "of another"])
        if name == "without a key":
            records.append((stream, None, event))
        elif name == "of another":
            records.append((stream, b"somebody else", event))
        else:
            records.append((stream, key, KINDS[name](chance, event)))
    large = b'{"type":"' + b"x" * 1_000_000
    return records + [(chance.choice(STREAMS), b"house-1", large) for _ in range(LARGE)]


def mixed(devices: list[Device], chance: random.Random) -> list[Record]:
    """Return what the devices told, each stream in its order, with the rubbish between."""
    told: list[list[Record]] = [
        [(stream, each.name.encode(), encode(event)) for event in each.told[stream]]
        for each in devices
        for stream in STREAMS
    ]
    every = [record for records in told for record in records]
    bad = rubbish(chance, [value for _, _, value in every if value is not None])
    turns = [index for index, records in enumerate(told) for _ in records] + [-1] * len(bad)
    chance.shuffle(turns)
    queues = [iter(records) for records in (*told, bad)]
    return [next(queues[turn]) for turn in turns]


async def send(servers: str, records: list[Record]) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=servers, enable_idempotence=True, linger_ms=5
    ) as producer:
        for start in range(0, len(records), AT_ONCE):
            sent = [
                await producer.send(topic, value, key=key)
                for topic, key, value in records[start : start + AT_ONCE]
            ]
            await asyncio.gather(*sent)


def test_rubbish_is_kept_with_its_reason_and_disturbs_nobody(tmp_path: Path) -> None:
    chance = random.Random(11)
    devices = [each for each in fleet(11, 12) if each.calm]
    for each in devices:
        for _ in range(STEPS):
            each.step()
    wrong: list[str] = []
    expected = set(decide(devices, wrong)[0].values())
    assert wrong == []
    with machine(tmp_path / "house", RULES) as house:
        house.start_worker("decide")
        eventually(lambda: house.ready("decide-1"))
        asyncio.run(send(house.servers, mixed(devices, chance)))
        eventually(lambda: house.count(topics.MALFORMED) >= RUBBISH)
        audit = house.audit()
        by_id, _ = decided(house.values(topics.NOTIFICATIONS))
        malformed = [json.loads(each) for each in house.values(topics.MALFORMED)]
        reasons = Counter(each["reason"] for each in malformed)

        assert set(by_id.values()) == expected
        assert len(expected) > 500
        assert (audit["unreadable"], len(malformed)) == (RUBBISH, RUBBISH)
        assert audit["differences"] == []
        assert len({each["origin"] for each in malformed}) == RUBBISH
        assert all(reasons)
        assert house.running("decide-1")
        print(f"\n{len(by_id)} decisions, {RUBBISH} malformed for {len(reasons)} reasons")
