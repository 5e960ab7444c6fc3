"""The real programs on one machine: broker, workers and edges as processes, started and killed."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from app.broker.node import Node
from app.broker.outside import Outside
from app.broker.ports import free_port
from app.broker.topics import ensure
from app.supervisor import READY, mortal, worker_argv

PARTITIONS = 4
COMMAND = (sys.executable, "-c", "from app.cli import main; main()")
DEADLINE_S = 240


class Machine:
    """A broker of its own, and whatever is started beside it; all of it ends with the block."""

    def __init__(self, home: Path, node: Node, rules: Path, **env: str) -> None:
        self.home = home
        self.node = node
        self.servers = node.servers
        self._env = {
            **os.environ,
            "KAFKA_BOOTSTRAP_SERVERS": node.servers,
            "CHANGEOVER_HOME": str(home),
            "CHANGEOVER_RULES": str(rules),
            "CHANGEOVER_PARTITIONS": str(PARTITIONS),
            "CHANGEOVER_GROUPING": "0s",
            **env,
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._began: dict[str, int] = {}

    def start(self, name: str, *argv: str, but: str = "") -> None:
        """Start a program, without the variable ``but``."""
        env = {variable: value for variable, value in self._env.items() if variable != but}
        with (self.home / f"{name}.log").open("ab") as log:
            self._began[name] = log.tell()
            self._running[name] = subprocess.Popen(
                mortal(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env
            )

    def start_worker(self, app: str, number: int = 1) -> None:
        self.start(f"{app}-{number}", *worker_argv(app))

    def start_edge(self, logs: Path, until: str) -> None:
        config = str(logs / "notifications.config")
        self.start(
            f"edge-{logs.name}", *COMMAND, "edge", "--config", config, "--once", "--until", until
        )

    def follow(self, logs: Path) -> None:
        """Start an edge that follows its logs, and ships to where its configuration says."""
        argv = (*COMMAND, "edge", "--config", str(logs / "notifications.config"))
        self.start(f"edge-{logs.name}", *argv, but="KAFKA_BOOTSTRAP_SERVERS")

    def interrupt(self, name: str) -> None:
        """SIGTERM it, and see that it ends well."""
        process = self._running.pop(name)
        process.terminate()
        assert process.wait(DEADLINE_S) == 0, self.log(name)

    def kill(self, name: str) -> None:
        """SIGKILL it, and see that it was alive until then."""
        assert self._running[name].poll() is None, self.log(name)
        self._running[name].kill()
        self._running.pop(name).wait()

    def signal(self, name: str, number: int) -> None:
        self._running[name].send_signal(number)

    def ended(self, name: str) -> int:
        """Return the code with which it ends by itself."""
        return self._running.pop(name).wait(DEADLINE_S)

    def running(self, name: str) -> bool:
        return self._running[name].poll() is None

    def finished(self, name: str) -> bool:
        """Tell whether it has ended; an error of it is one of the test's."""
        code = self._running[name].poll()
        assert code in (None, 0), self.log(name)
        return code == 0

    def run(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> bytes:
        """Return what one of our commands prints."""
        done = subprocess.run(
            (*COMMAND, *arguments), env=self._env, capture_output=True, timeout=600, check=False
        )
        assert done.returncode in codes, done.stderr.decode()
        return done.stdout

    def fails(self, *arguments: str) -> bytes:
        """Return what one of our commands complains of."""
        done = subprocess.run(
            (*COMMAND, *arguments), env=self._env, capture_output=True, timeout=600, check=False
        )
        assert done.returncode == 1, done
        return done.stderr

    def audit(self, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """Return the report of ``changeover audit``, which waits for the workers."""
        report: dict[str, Any] = json.loads(
            self.run("audit", "--json", "--wait", str(DEADLINE_S), codes=codes)
        )
        return report

    def ready(self, name: str) -> bool:
        """Tell whether a worker has joined its group since it was started."""
        return READY in (self.home / f"{name}.log").read_bytes()[self._began[name] :]

    def verify(self) -> dict[str, Any]:
        """Return the report of ``changeover tables verify``."""
        report: dict[str, Any] = json.loads(self.run("tables", "verify", "--json", codes=(0, 1)))
        return report

    def count(self, topic: str) -> int:
        return asyncio.run(_count(self.servers, topic))

    def values(self, topic: str) -> list[bytes]:
        """Return the values of all records on ``topic``; one without a value is empty."""
        return asyncio.run(_values(self.servers, topic))

    def log(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text()[-3_000:]

    def stop(self) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def machine(
    home: Path, rules: Path, outside: Outside | None = None, **env: str
) -> Iterator[Machine]:
    home.mkdir(parents=True, exist_ok=True)
    with Node(home, free_port(), outside=outside) as node:
        asyncio.run(ensure(node.servers, PARTITIONS))
        house = Machine(home, node, rules, **env)
        try:
            yield house
        finally:
            house.stop()


def eventually(true: Callable[[], bool]) -> None:
    """Return when ``true()`` is; fail when it is not within the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.2)  # programs and topics tell nobody when something is so


async def _count(servers: str, topic: str) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers)
    await consumer.start()
    try:
        ends = await consumer.end_offsets([TopicPartition(topic, n) for n in range(PARTITIONS)])
        return sum(ends.values())
    finally:
        await consumer.stop()


async def _values(servers: str, topic: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        ends = await consumer.end_offsets(partitions)
        consumer.assign(partitions)
        values: list[bytes] = []
        while len(values) < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                values += [record.value or b"" for record in records]
        return values
    finally:
        await consumer.stop()


def decisions(values: list[bytes]) -> list[bytes]:
    """Return those of ``values`` that are decisions, not what became of them."""
    return [value for value in values if value.startswith(b'{"type":"decision"')]


def decided(values: list[bytes]) -> tuple[dict[str, bytes], int]:
    """Return the records by id, and how many copies there were; copies must be equal."""
    by_id: dict[str, bytes] = {}
    for value in values:
        identity = json.loads(value)["id"]
        assert by_id.setdefault(identity, value) == value
    return by_id, len(values) - len(by_id)
