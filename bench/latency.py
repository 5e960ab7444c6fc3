"""From an event to its decision, one at a time, against a record that is only sent and received."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench import cluster, measure
from bench.measure import Result, rounds
from bench.workload import START, STEP
from schemas import topics
from schemas.codec import encode
from schemas.events import Source, Transition

EVENTS = 300
WARM = 30
PAUSE_S = 0.005  # what the one before still makes the worker and the broker do is over
RULES = """
[[rule]]
name = "at_once"
stream = "transitions"
when = { field = "source", equals = "none" }
for = "0s"
reset = "0s"
pulse = true
"""


def latency() -> list[Result]:
    """Half and 99 of 100 events take no longer than so many bare round trips."""
    p50, p99, own = [], [], []
    with TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.toml"
        rules.write_text(RULES)
        with (
            cluster.broker(Path(folder) / "house") as node,
            cluster.program(node, cluster.WORKER, CHANGEOVER_RULES=str(rules)),
        ):
            for number in rounds(3):
                bare, ours = asyncio.run(_round(node.servers, number))
                p50.append(_percentile(ours, 50) / _percentile(bare, 50))
                p99.append(_percentile(ours, 99) / _percentile(bare, 99))
                own.append(_percentile(ours, 50) * 1_000)
    return [
        measure.result("latency p50", p50, 3, "lower", "x round trip"),
        measure.result("latency p99", p99, 6, "lower", "x round trip"),
        measure.result("latency p50 itself", own, None, "lower", "ms"),
    ]


async def _round(servers: str, number: int) -> tuple[list[float], list[float]]:
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        bare = await _timed(servers, producer, topics.WINDOWS, topics.WINDOWS, number)
        ours = await _timed(servers, producer, topics.TRANSITIONS, topics.NOTIFICATIONS, number)
    return bare, ours


async def _timed(
    servers: str, producer: AIOKafkaProducer, source: str, target: str, round_number: int
) -> list[float]:
    """Return the seconds from sending each event to ``source`` until ``target`` has a record."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers)
    await consumer.start()
    try:
        partitions = [TopicPartition(target, each) for each in range(cluster.PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        for partition in partitions:
            await consumer.position(partition)
        first = round_number * (EVENTS + WARM)
        seconds = [
            await _once(producer, consumer.getone, source, first + each)
            for each in range(1, EVENTS + WARM + 1)
        ]
    finally:
        await consumer.stop()
    return seconds[WARM:]


async def _once(
    producer: AIOKafkaProducer, received: Callable[[], Awaitable[object]], topic: str, number: int
) -> float:
    event = Transition(
        device="house", epoch="e", run="r", seq=number, ts=START + number * STEP,
        source=Source.NONE, in_window=None, due=(), online=None, line=1,
        from_=Source.GRID, to=Source.NONE,
    )  # fmt: skip
    await asyncio.sleep(PAUSE_S)
    began = time.perf_counter()
    await producer.send(topic, encode(event), key=b"house")
    await received()
    return time.perf_counter() - began


def _percentile(seconds: list[float], percent: int) -> float:
    return quantiles(seconds, n=100)[percent - 1]
