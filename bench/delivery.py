"""From a decision to a provider: what outboxes decide, how fast emails leave, and a restart."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec

from app.broker.node import Node
from app.broker.ports import LOOPBACK, free_port
from app.supervisor import worker_argv
from bench import cluster
from bench.measure import Result, cpu, result, rounds
from bench.peers import plain_outbox
from schemas import codec, topics
from schemas.delivery import (
    Attempt,
    Message,
    Queued,
    Sent,
    Silenced,
    Terms,
)
from tables import outbox, outbox_state
from tests.tables.outboxes import alone, became, ms

PEOPLE = 10_000
WAITING = 100_000
ROUNDS = 3
DELIVER = worker_argv("deliver")
PEER = (sys.executable, "-m", "bench.peers.mails")
TERMS = Terms(grouping=0.0)


def decisions() -> list[Result]:
    """What outboxes decide a second on one core, beside the same in tables of SQLite."""
    ours, ratios = [], []
    queued = [Queued(message=alone(number), terms=TERMS) for number in range(PEOPLE)]
    for _ in rounds(5):
        mine = cpu(lambda: _decide(queued))
        theirs = cpu(lambda: plain_outbox.decide([each.message for each in queued]))
        ours.append(3 * PEOPLE / mine)
        ratios.append(theirs / mine)
    return [
        result("outbox decisions a second", ours, 100_000, "higher", "a second"),
        result("outbox decisions", ratios, None, "higher", "x SQLite"),
    ]


def _decide(queued: list[Queued]) -> None:
    """Take each message from its queueing to its outcome: three decisions."""
    at_ms = ms(datetime.now(UTC).replace(microsecond=0))
    for each in queued:
        state, decided = outbox.take(outbox_state.Outbox(), each, at_ms)
        (attempt,) = decided
        assert isinstance(attempt, Attempt)  # noqa: S101 - nothing bars it
        state, _ = outbox.take(state, attempt, at_ms)
        outbox.take(state, Sent(**became(attempt), reference="there"), at_ms)


def emails() -> list[Result]:
    """10,000 emails of one second to a server that takes 50 ms: how many a second leave."""
    ours, ratios, others = [], [], []
    for _ in rounds(ROUNDS):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            with _sink(folder / "theirs") as port:
                done = subprocess.run(
                    (*PEER, "send", str(port), str(PEOPLE)), capture_output=True, check=True
                )
                theirs_s = float(done.stdout)
            with _sink(folder / "ours") as port, cluster.broker(folder / "servers") as node:
                seconds, waited_s = _street(node, folder, port)
            ours.append(PEOPLE / seconds)
            ratios.append(theirs_s / seconds)
            others.append(waited_s)
    return [
        result("emails a second", ours, 600, "higher", "a second"),
        result("emails a second, plain", ratios, None, "higher", "x aiosmtplib"),
        result("somebody else waits", others, 5, "lower", "s"),
    ]


def _street(node: Node, folder: Path, port: int) -> tuple[float, float]:
    """Return the seconds for a whole street, and for how long somebody else waited meanwhile."""
    url = f"smtp://{LOOPBACK}:{port}?from=alerts@example.com&starttls=never"
    home = {"CHANGEOVER_HOME": str(folder / "home"), "CHANGEOVER_EMAIL": url}
    street = [_record(alone(number)) for number in range(PEOPLE)]
    other = msgspec.structs.replace(alone(PEOPLE), rule="battery_low")
    with cluster.program(node, DELIVER, **home):
        began_s = time.time()
        asyncio.run(cluster.produce(node.servers, topics.EMAIL, street))
        _until(lambda: len(_taken(folder / "ours")) >= PEOPLE // 10)
        told_s = time.time()
        asyncio.run(cluster.produce(node.servers, topics.EMAIL, [_record(other)]))
        _until(lambda: len(_taken(folder / "ours")) > PEOPLE)
        taken = _taken(folder / "ours")
    ended_s = max(at for at, to in taken if to != other.address)
    heard_s = next(at for at, to in taken if to == other.address)
    return ended_s - began_s, heard_s - told_s


def restart() -> list[Result]:
    """A worker starts with 100,000 messages that wait, until it sends a fresh one."""
    seconds = []
    until = datetime.now(UTC) + timedelta(days=1)
    silent = Terms(silenced=Silenced(id="s", until=until, author="bench"), grouping=0.0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        held = [
            (each.recipient.encode(), codec.encode(Queued(message=each, terms=silent)))
            for each in map(alone, range(WAITING))
        ]
        fresh = [alone(WAITING + number) for number in range(ROUNDS)]
        home = {"CHANGEOVER_HOME": str(folder / "home"), "CHANGEOVER_OUTBOX": str(folder / "box")}
        with cluster.broker(folder / "servers") as node:
            asyncio.run(cluster.produce(node.servers, topics.DELIVERIES, held))
            with cluster.program(node, DELIVER, **home):
                cluster.until_committed(node.servers, topics.DELIVER, topics.DELIVERIES)
            for number in rounds(ROUNDS):
                record = _record(fresh[number])
                asyncio.run(cluster.produce(node.servers, topics.EMAIL, [record]))
                began_s = time.monotonic()
                with cluster.program(node, DELIVER, **home):
                    _until(partial(_delivered, folder / "box", number + 1))
                    seconds.append(time.monotonic() - began_s)
    return [result("restart, 100,000 wait", seconds, 10, "lower", "s")]


def _delivered(box: Path, count: int) -> bool:
    return len(list(box.glob("email/[!.]*"))) >= count


@contextmanager
def _sink(file: Path) -> Iterator[int]:
    port = free_port()
    serving = subprocess.Popen((*PEER, "serve", str(port), str(file)))
    try:
        _until(file.exists)
        yield port
    finally:
        serving.terminate()
        serving.wait()


def _taken(file: Path) -> list[tuple[float, str]]:
    lines = file.read_text().splitlines()
    return [(float(at), to) for at, _, to in (line.partition(" ") for line in lines)]


def _until(true: Callable[[], bool]) -> None:
    """Return when ``true()`` is, or the time of a bench is over."""
    deadline_s = time.monotonic() + cluster.DEADLINE_S
    while not true() and time.monotonic() < deadline_s:
        time.sleep(cluster.POLL_S)  # files tell nobody that they have grown


def _record(told: Message) -> tuple[bytes, bytes]:
    return told.recipient.encode(), codec.encode(told)
