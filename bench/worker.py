"""A worker on Kafka against a bare ``getmany`` loop and stock Faust, and several at once."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import cluster, core, measure, workload
from bench.cluster import Used
from bench.core import same
from bench.measure import Result, rounds, turns
from schemas import topics

DEVICES, EACH = 10_000, 40
ROUNDS = 5
STOCK_EACH = 2
STOCK = (sys.executable, "-m", "faust", "-A", "bench.peers.stock", "worker", "-l", "info",
         "--without-web")  # fmt: skip
QUIX = (sys.executable, "-m", "bench.peers.quix_peer")
SMALL = 500
FRAMEWORKS = {"Quix": (QUIX, "quix-peer", 20), "stock Faust": (STOCK, "stock", 40)}
GETMANY = (sys.executable, "-m", "bench.peers.getmany")
WORKERS = (1, 2, 4)
STREAMS = Path(__file__).parent / "peers" / "kafka_streams"
STREAMS_EACH = 100


def worker() -> list[Result]:
    """CPU and wall time an event against bare aiokafka; CPU against stock Faust."""
    load = {topics.TRANSITIONS: workload.payloads(topics.TRANSITIONS, DEVICES, EACH)}
    cpu, wall, rss = [], [], []
    with cluster.prepared(load) as home:
        for number in rounds(ROUNDS):
            pair = [_run(home, argv) for argv in turns(number, cluster.WORKER, GETMANY)]
            (ours, mine), (bare, other) = turns(number, *pair)
            same(mine, other)
            cpu.append(ours.cpu_s / bare.cpu_s)
            wall.append(ours.wall_s / bare.wall_s)
            rss.append(ours.rss_mb)
    return [
        measure.result("worker cpu", cpu, 1.3, "lower", "x getmany"),
        measure.result("worker wall", wall, 1.3, "lower", "x getmany"),
        measure.result("worker memory", rss, None, "lower", "MB"),
        _against_stock(),
    ]


def _against_stock() -> Result:
    load = {topics.TRANSITIONS: workload.payloads(topics.TRANSITIONS, DEVICES, STOCK_EACH)}
    large = {topics.TRANSITIONS: workload.payloads(topics.TRANSITIONS, DEVICES, EACH)}
    found = []
    with cluster.prepared(load) as small, cluster.prepared(large) as home:
        for number in rounds(3):
            jobs = ((home, cluster.WORKER, topics.DECIDE), (small, STOCK, "stock"))
            pair = [_run(*job) for job in turns(number, *jobs)]
            (ours, _), (stock, _) = turns(number, *pair)
            found.append((stock.cpu_s / STOCK_EACH) / (ours.cpu_s / EACH))
    return measure.result("worker stock Faust", found, 12, "higher", "x stock")


def frameworks() -> list[Result]:
    """CPU an event of other frameworks on Kafka against our job from bytes to bytes."""
    records = workload.payloads(topics.TRANSITIONS, SMALL, EACH)
    values = [value for _, value in records]
    expected = core.ours(topics.TRANSITIONS, values)
    found: dict[str, list[float]] = {name: [] for name in FRAMEWORKS}
    with cluster.prepared({topics.TRANSITIONS: records}) as home:
        for _ in rounds(3):
            for name, (argv, group, _) in FRAMEWORKS.items():
                mine = measure.cpu(lambda: core.ours(topics.TRANSITIONS, values))
                used, theirs = _run(home, argv, group)
                same(expected, theirs)
                found[name].append(used.cpu_s / mine)
    return [
        measure.result(f"bytes {name}", found[name], target, "higher", f"x {name}")
        for name, (_, _, target) in FRAMEWORKS.items()
    ]


def streams() -> list[Result]:
    """CPU an event and memory against Kafka Streams, once both have done four fifths."""
    load = {topics.TRANSITIONS: workload.payloads(topics.TRANSITIONS, DEVICES, STREAMS_EACH)}
    cpu, rss = [], []
    with cluster.prepared(load) as home, TemporaryDirectory() as folder:
        jobs = ((cluster.WORKER, topics.DECIDE), (peer(folder), "kafka-streams-peer"))
        for number in rounds(3):
            pair = [_warm(home, *job) for job in turns(number, *jobs)]
            (ours, mine), (java, theirs) = turns(number, *pair)
            same(mine, theirs)
            cpu.append(ours[0] / java[0])
            rss.append(ours[1] / java[1])
    return [
        measure.result("worker cpu Streams", cpu, 1.0, "lower", "x Streams"),
        measure.result("worker memory Streams", rss, 0.2, "lower", "x Streams"),
    ]


def peer(folder: str, linger_ms: int = 100) -> tuple[str, ...]:
    """Build the Kafka Streams program; return its command. folder: where it may keep its files."""
    subprocess.run(("mvn", "-B", "-q", "-f", str(STREAMS / "pom.xml"), "package"), check=True)
    built = f"{STREAMS}/target/classes:{STREAMS}/target/lib/*"
    options = (f"-Dstate.dir={folder}/state", f"-Dlinger.ms={linger_ms}")
    return ("java", *options, "-cp", built, "KafkaStreamsPeer")


def _warm(home: Path, argv: Sequence[str], group: str) -> tuple[tuple[float, float], list[bytes]]:
    with cluster.copied(home) as node:
        used = cluster.warm(node, argv, topics.TRANSITIONS, group)
        return used, asyncio.run(cluster.values(node.servers, topics.NOTIFICATIONS))


def scale() -> list[Result]:
    """Events a CPU second of all workers together, with more of them on the same partitions."""
    load = workload.payloads(topics.TRANSITIONS, DEVICES, EACH)
    rates: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    with cluster.prepared({}) as home:
        for _ in rounds(3):
            for workers in WORKERS:
                rates[workers].append(len(load) / _together(home, workers, load))
    return [
        measure.result(
            f"scale {workers} workers",
            [each / one for each, one in zip(rates[workers], rates[1], strict=True)],
            0.9,
            "higher",
            "x one alone",
        )
        for workers in WORKERS[1:]
    ]


def _together(home: Path, workers: int, load: Sequence[cluster.Record]) -> float:
    """Return the CPU seconds of ``workers`` that do the work side by side."""
    with cluster.copied(home) as node, ExitStack() as stack:
        pids = [
            stack.enter_context(cluster.program(node, cluster.WORKER))[0] for _ in range(workers)
        ]
        before = sum(map(cluster.cpu_s, pids))
        asyncio.run(cluster.produce(node.servers, topics.TRANSITIONS, load))
        cluster.until_committed(node.servers, topics.DECIDE, topics.TRANSITIONS)
        return sum(map(cluster.cpu_s, pids)) - before


def _run(home: Path, argv: Sequence[str], group: str = topics.DECIDE) -> tuple[Used, list[bytes]]:
    with cluster.copied(home) as node:
        used = cluster.used(node, argv, topics.TRANSITIONS, group)
        return used, asyncio.run(cluster.values(node.servers, topics.NOTIFICATIONS))
