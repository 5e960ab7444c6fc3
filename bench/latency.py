"""From an event to its decision, one at a time, against a record that is only sent and received."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench import cluster, measure, workload
from bench.measure import Result, rounds
from bench.worker import peer
from bench.workload import START
from schemas import topics
from schemas.codec import encode
from schemas.events import Event, Source, Tick, Transition

DECISIONS = 300  # of a round; half of them fire, half resolve
WARM = 40
PAUSE_S = 0.005  # what the one before still makes the worker and the broker do is over
HOLD, CLEAR, LATER = timedelta(seconds=120), timedelta(seconds=60), timedelta(hours=2)
WARMING = 3_000  # events of other devices before the first round: Java is compiled meanwhile
Seconds = list[float]


def latency() -> list[Result]:
    """From the tick that shows that a hold is over until its decision is there, one at a time."""
    p50, p99, own, worst, streams = [], [], [], [], []
    with TemporaryDirectory() as folder, ExitStack() as stack:
        nodes = []
        for name, argv in (("ours", cluster.WORKER), ("peer", peer(folder, linger_ms=0))):
            nodes.append(stack.enter_context(cluster.broker(Path(folder) / name)))
            stack.enter_context(cluster.program(nodes[-1], argv))
        for node in nodes:
            warming = workload.payloads(topics.TRANSITIONS, 10, WARMING // 10)
            asyncio.run(cluster.produce(node.servers, topics.TRANSITIONS, warming))
        for number in rounds(5):
            bare, ours = asyncio.run(_round(nodes[0].servers, number))
            _, theirs = asyncio.run(_round(nodes[1].servers, number))
            p50.append(_percentile(ours, 50) / _percentile(bare, 50))
            p99.append(_percentile(ours, 99) / _percentile(bare, 99))
            own.append(_percentile(ours, 50) * 1_000)
            worst.append(max(ours) * 1_000)
            streams.append(_percentile(ours, 50) / _percentile(theirs, 50))
    return [
        measure.result("latency p50", p50, 3, "lower", "x round trip"),
        measure.result("latency p99", p99, 6, "lower", "x round trip"),
        measure.result("latency p50 itself", own, None, "lower", "ms"),
        measure.result("latency of a hold, worst", worst, 100, "lower", "ms"),
        measure.result("latency p50 Streams", streams, 1, "lower", "x Streams"),
    ]


async def _round(servers: str, number: int) -> tuple[Seconds, Seconds]:
    """Return what a bare round trip takes, and what a decision takes."""
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        bare = await _timed(servers, producer, topics.WINDOWS, topics.WINDOWS, number)
        ours = await _timed(servers, producer, topics.TRANSITIONS, topics.NOTIFICATIONS, number)
    return bare, ours


async def _timed(
    servers: str, producer: AIOKafkaProducer, source: str, target: str, number: int
) -> Seconds:
    """Return the seconds from sending a tick to ``source`` until ``target`` has a record."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers)
    await consumer.start()
    try:
        partitions = [TopicPartition(target, each) for each in range(cluster.PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        for partition in partitions:
            await consumer.position(partition)
        seconds: Seconds = []
        for event in _episodes(f"round-{number}", DECISIONS // 2 + WARM // 2):
            if type(event) is Tick:
                await asyncio.sleep(PAUSE_S)
                began = time.perf_counter()
                await producer.send(source, encode(event), key=event.device.encode())
                await consumer.getone()
                seconds.append(time.perf_counter() - began)
            elif source != target:  # what is to be decided; it decides nothing itself
                await producer.send_and_wait(source, encode(event), key=event.device.encode())
    finally:
        await consumer.stop()
    return seconds[WARM:]


def _episodes(device: str, count: int) -> Iterator[Event]:
    """Yield so many losses of the grid, each of which fires and resolves at a tick."""
    stamp: dict[str, Any] = {"device": device, "epoch": "e", "run": "r", "in_window": None,
                             "due": (), "online": None}  # fmt: skip
    at, numbers = START, itertools.count(1)
    for _ in range(count):
        for from_, to, wait in ((Source.GRID, Source.INVERTER, HOLD),
                                (Source.INVERTER, Source.GRID, CLEAR)):  # fmt: skip
            yield Transition(**stamp, seq=next(numbers), ts=at, line=1,
                             source=to, from_=from_, to=to)  # fmt: skip
            at += wait
            yield Tick(**stamp, seq=next(numbers), ts=at, source=to)
        at += LATER


def _percentile(seconds: Seconds, percent: int) -> float:
    return quantiles(seconds, n=100)[percent - 1]
