"""A broker that is gone for a day, and one whose partitions are led by another from now on."""

import asyncio
import gc
import logging
import random
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka.admin import NewTopic

from app import kafka
from app.broker.node import Node
from app.broker.ports import free_port
from edge import ship, ship_complaints
from edge.ledger import Ledger
from edge.spool import Spool, Spooled
from schemas import topics
from tests.edge.second_node import SecondNode

DAY_S = timedelta(days=1).total_seconds()
WARM = 500  # tries after which whatever is made once was made
EVENTS = 3_000
DEADLINE_S = 120.0


class Hours:
    """Time that passes only while the shipper backs off, and its log, of which nothing is kept."""

    def __init__(self) -> None:
        self.second, self.tries, self.complaints = 0.0, 0, 0
        self.blocks: list[int] = []
        self.over = asyncio.Event()

    def now(self) -> float:
        return self.second

    def warning(self, *_: object, **__: object) -> None:
        self.complaints += 1

    def back_off(self, shortest: float, longest: float) -> float:
        self.second += (shortest + longest) / 2
        self.tries += 1
        if self.tries % WARM == 0:
            gc.collect()
            self.blocks.append(sys.getallocatedblocks())
        if self.second >= DAY_S:
            self.over.set()
        return 0.0


def test_a_broker_that_is_gone_for_a_day_is_told_of_once_a_minute_and_costs_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def day() -> Hours:
        hours = Hours()
        monkeypatch.setattr(ship_complaints, "monotonic", hours.now)
        monkeypatch.setattr(ship_complaints, "log", hours)
        # pytest's keep every line.
        monkeypatch.setattr(logging.getLogger("aiokafka"), "handlers", [])
        monkeypatch.setattr(random, "uniform", hours.back_off)
        shipper = ship.Shipper(ledger, [f"127.0.0.1:{free_port()}"])
        shipping = asyncio.create_task(shipper.run())
        await asyncio.wait_for(hours.over.wait(), DEADLINE_S)
        shipping.cancel()
        await asyncio.gather(shipping, return_exceptions=True)
        return hours

    with Spool(tmp_path / "spool", "home") as spool:
        spool.commit([Spooled(topics.TRANSITIONS, 1, b'{"type":"tick"}')], {})
        ledger = Ledger("home", "r", spool)
        hours = asyncio.run(day())

    assert hours.tries > DAY_S / ship.BACKOFF_S[1]
    assert 0.9 * DAY_S / 60 < hours.complaints <= DAY_S / 60 + 1
    assert hours.blocks[-1] - hours.blocks[0] < hours.tries / 10  # not one for each try


async def _lead(servers: str, brokers: list[int]) -> None:
    """Make the topic of readings, with one partition on ``brokers``; the first leads it."""
    assignments: Any = {0: brokers}
    async with kafka.administering(servers) as admin:
        await admin.create_topics([NewTopic(topics.PROBES, -1, -1, assignments)])


async def _leader(servers: str) -> int:
    async with kafka.administering(servers) as admin:
        (described,) = await admin.describe_topics([topics.PROBES])
    (partition,) = described["partitions"]
    return int(partition["leader"])


async def _numbers(servers: str) -> list[int]:
    records = kafka.read(servers, [topics.PROBES])
    return [msgspec.json.decode(record.value)["n"] async for record in records]


@pytest.fixture(name="nodes")
def _nodes(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    with (
        Node(tmp_path / "first", free_port()) as first,
        SecondNode(tmp_path / "second", free_port(), tmp_path / "first") as second,
    ):
        yield first, second


@pytest.mark.kafka
def test_a_leader_that_moves_costs_nothing(tmp_path: Path, nodes: tuple[Node, Node]) -> None:
    first, second = nodes
    events = [b'{"type":"reading","n":%d}' % number for number in range(EVENTS)]

    async def shipped(ledger: Ledger) -> tuple[int, int]:
        shipper = ship.Shipper(
            ledger, [first.servers, second.servers], pace=ship.Pace(10, 1_000, 0)
        )
        halfway = asyncio.Event()

        def seen() -> None:
            if shipper.shipped > EVENTS / 3:
                halfway.set()

        shipper.acknowledged = seen
        shipping = asyncio.create_task(shipper.run())
        await asyncio.wait_for(halfway.wait(), DEADLINE_S)
        before = await _leader(first.servers)
        await asyncio.to_thread(second.stop)
        async with asyncio.timeout(DEADLINE_S):
            while ledger.spool.waiting:
                await asyncio.sleep(0.1)  # the spool tells nobody that it is empty
        after = await _leader(first.servers)
        shipping.cancel()
        await asyncio.gather(shipping, return_exceptions=True)
        return before, after

    asyncio.run(_lead(first.servers, [2, 1]))
    with Spool(tmp_path / "spool", "home") as spool:
        rows = [Spooled(topics.PROBES, seq, value) for seq, value in enumerate(events, 1)]
        spool.commit(rows, {})
        leaders = asyncio.run(shipped(Ledger("home", "r", spool)))
    numbers = asyncio.run(_numbers(first.servers))

    assert leaders == (2, 1)
    assert list(dict.fromkeys(numbers)) == list(range(EVENTS))  # the first of each, in order
    assert len(numbers) - EVENTS <= 2 * 10  # what was on its way when the leader went
