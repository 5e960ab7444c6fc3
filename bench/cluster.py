"""A broker for each measurement, the program on it, and what the kernel says of that."""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import click
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from app import kafka
from app.broker.node import Node
from app.broker.ports import free_port
from app.broker.topics import ensure
from app.stream.packed import send_packed
from app.supervisor import READY, mortal, worker_argv
from schemas import topics

PARTITIONS = 4
DEADLINE_S = 300.0
POLL_S = 0.02
TICKS = os.sysconf("SC_CLK_TCK")
WORKER = worker_argv("decide")
Record = tuple[bytes, bytes]


class Used(msgspec.Struct, frozen=True):
    """What a program used from its readiness until it had done its work. rss_mb: at the end.

    start_s: from its start to its readiness.
    """

    cpu_s: float
    wall_s: float
    rss_mb: float
    start_s: float


@contextmanager
def broker(home: Path) -> Iterator[Node]:
    """Run a broker on the data in ``home`` until the block is left."""
    home.mkdir(parents=True, exist_ok=True)
    with Node(home, free_port()) as node:
        asyncio.run(ensure(node.servers, PARTITIONS))
        yield node


@contextmanager
def prepared(loads: Mapping[str, Sequence[Record]]) -> Iterator[Path]:
    """Make data with ``loads`` on their topics; they last as long as the block."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "prepared"
        with broker(home) as node:
            for topic, records in loads.items():
                asyncio.run(produce(node.servers, topic, records))
        yield home


@contextmanager
def copied(home: Path) -> Iterator[Node]:
    """Run a broker on a copy of ``home``."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "house"
        shutil.copytree(home, copy)
        with broker(copy) as node:
            yield node


async def produce(servers: str, topic: str, records: Sequence[Record]) -> None:
    """Append ``records`` to ``topic``, each where its key belongs, in large batches."""
    async with AIOKafkaProducer(
        bootstrap_servers=servers,
        compression_type="zstd",
        max_batch_size=524_288,
        enable_idempotence=True,  # else a batch that is sent again may change the order
    ) as producer:
        partitions = sorted(await producer.partitions_for(topic))
        place = producer._partitioner
        waiting: dict[int, list[Record]] = {number: [] for number in partitions}
        for key, value in records:
            waiting[place(key, partitions, partitions)].append((key, value))
        for partition, mine in waiting.items():
            await asyncio.gather(*await send_packed(producer, topic, partition, mine))


async def values(servers: str, topic: str) -> list[bytes]:
    """Return the values on ``topic``."""
    return [record.value async for record in kafka.read(servers, [topic])]


@contextmanager
def program(node: Node, argv: Sequence[str], **env: str) -> Iterator[tuple[int, float]]:
    """Run ``argv`` against ``node``; enter with its process id and seconds to its readiness."""
    with tempfile.NamedTemporaryFile() as log:
        began_s = time.monotonic()
        surroundings = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": node.servers,
            "CHANGEOVER_PARTITIONS": str(PARTITIONS),
            **env,
        }
        running = subprocess.Popen(mortal(argv), stdout=log, stderr=log, env=surroundings)
        try:
            while READY not in Path(log.name).read_bytes():
                if running.poll() is not None or time.monotonic() - began_s > DEADLINE_S:
                    raise click.ClickException(Path(log.name).read_text()[-2_000:])
                time.sleep(POLL_S)  # a log tells nobody that it has grown
            yield running.pid, time.monotonic() - began_s
        finally:
            running.terminate()
            with suppress(subprocess.TimeoutExpired):
                running.wait(15)
            running.kill()
            running.wait()


def used(node: Node, argv: Sequence[str], source: str, group: str = topics.DECIDE) -> Used:
    """Return what ``argv`` used until ``group`` had committed everything on ``source``."""
    with program(node, argv) as (pid, start_s):
        before, began_s = cpu_s(pid), time.monotonic()
        until_committed(node.servers, group, source)
        return Used(cpu_s(pid) - before, time.monotonic() - began_s, rss_mb(pid), start_s)


def warm(node: Node, argv: Sequence[str], source: str, group: str) -> tuple[float, float]:
    """Return CPU seconds an event and memory in MB of ``argv`` once it has done four fifths.

    Until then a Java program is compiled; what is measured is the last fifth.
    """
    ends = asyncio.run(kafka.end_offsets(node.servers, [source]))
    total = sum(ends.values())
    with program(node, argv) as (pid, _):
        done = asyncio.run(_until(node.servers, group, source, total * 4 // 5))
        before = cpu_s(pid)
        asyncio.run(_until(node.servers, group, source, total))
        return (cpu_s(pid) - before) / (total - done), rss_mb(pid)


async def _until(servers: str, group: str, source: str, wanted: int) -> int:
    """Return how many records of ``source`` the group has committed, once they are enough."""
    async with kafka.administering(servers) as admin, asyncio.timeout(DEADLINE_S):
        while True:
            with suppress(KafkaError):
                found = await admin.list_consumer_group_offsets(group)
                mine = (each.offset for tp, each in found.items() if tp.topic == source)
                done: int = sum(max(0, offset) for offset in mine)
                if done >= wanted:
                    return done
            await asyncio.sleep(POLL_S)


def until_committed(servers: str, group: str, source: str) -> None:
    """Return when ``group`` has committed what ``source`` holds now."""
    ends = asyncio.run(kafka.end_offsets(servers, [source]))
    asyncio.run(_until(servers, group, source, sum(ends.values())))


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has used, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS  # utime, stime: proc(5)


def rss_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    (line,) = (each for each in Path(f"/proc/{pid}/status").read_text().splitlines()
               if each.startswith("VmRSS"))  # fmt: skip
    return int(line.split()[1]) / 1024
