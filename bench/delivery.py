"""From a decision to a provider: what outboxes decide, how fast emails leave, and a restart."""

import asyncio
import os
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
    Channel,
    Message,
    Queued,
    Sent,
    Silenced,
    Terms,
)
from tables import outbox, outbox_state
from tests.providers.fcm_peer import PROJECT, service_account
from tests.providers.smtp_peers import certificate
from tests.providers.twilio_peer import ACCOUNT, TOKEN
from tests.tables.outboxes import alone, became, ms

PEOPLE = 10_000
WAITING = 100_000
ROUNDS = 3
DELIVER = worker_argv("deliver")
MAILS = (sys.executable, "-m", "bench.peers.mails")
HTTP = (sys.executable, "-m", "bench.peers.http")
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
    return _street(Street(Channel.EMAIL, "aiosmtplib"))


def sms() -> list[Result]:
    """10,000 text messages of one second to Twilio's API, which takes 50 ms: how many leave."""
    return _street(Street(Channel.SMS, "aiohttp"))


def push() -> list[Result]:
    """10,000 push messages of one second to FCM's API, which takes 50 ms: how many leave."""
    return _street(Street(Channel.PUSH, "aiohttp"))


class Street:
    """10,000 people who are told by one channel. peer: what the plain client is made of."""

    def __init__(self, channel: Channel, peer: str) -> None:
        self.channel, self.peer = channel, peer

    def serve(self, port: int, file: Path) -> tuple[str, ...]:
        """Return the command that takes texts at ``port``."""
        if self.channel is Channel.EMAIL:
            return (*MAILS, "serve", str(port), str(file))
        return (*HTTP, "serve", str(port), str(file), *self._pem(file.parent))

    def send(self, port: int, folder: Path) -> tuple[str, ...]:
        """Return the command that sends texts to ``port`` as simply as can be."""
        if self.channel is Channel.EMAIL:
            return (*MAILS, "send", str(port), str(PEOPLE))
        path = {
            Channel.SMS: f"http://{LOOPBACK}:{port}/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
            Channel.PUSH: f"https://{LOOPBACK}:{port}/v1/projects/{PROJECT}/messages:send",
        }[self.channel]
        return (*HTTP, "send", self.channel.value, path, str(PEOPLE), *self._pem(folder))

    def sdk(self, port: int, folder: Path) -> float | None:
        """Return for how long the provider's own SDK takes by itself; None: that is the peer."""
        if self.channel is not Channel.PUSH:
            return None
        (pem,), key = self._pem(folder), folder / "key"
        url = f"https://{LOOPBACK}:{port}"
        key.write_text(service_account(url))
        done = subprocess.run(
            (sys.executable, "-m", "bench.peers.fcm_sdk", url, str(PEOPLE), key),
            capture_output=True,
            check=True,
            env=os.environ | {"REQUESTS_CA_BUNDLE": pem},
        )
        return float(done.stdout)

    def settings(self, port: int, folder: Path) -> dict[str, str]:
        """Return how a worker is told of the server at ``port``."""
        name, place = f"CHANGEOVER_{self.channel.name}", f"{LOOPBACK}:{port}"
        if self.channel is Channel.EMAIL:
            return {name: f"smtp://{place}?from=alerts@example.com&starttls=never"}
        secret = folder / "secret"
        url = f"twilio://{ACCOUNT}?from=+15550199&api=http://{place}"
        text = TOKEN
        if self.channel is Channel.PUSH:
            (pem,) = self._pem(folder)
            url = f"firebase://{PROJECT}?api=https://{place}&ca={pem}"
            text = service_account(f"https://{place}")
        secret.write_text(text)
        return {name: url, f"{name}_SECRET_FILE": str(secret)}

    def _pem(self, folder: Path) -> tuple[str, ...]:
        if self.channel is not Channel.PUSH:
            return ()
        pem = folder / "server.pem"
        return (str(pem if pem.exists() else certificate(folder)),)


def _street(street: Street) -> list[Result]:
    ours, ratios, alone, others, memory = [], [], list[float](), [], []
    for _ in rounds(ROUNDS):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            with _sink(street, folder / "theirs") as port:
                done = subprocess.run(street.send(port, folder), capture_output=True, check=True)
                theirs_s = float(done.stdout)
                sdk_s = street.sdk(port, folder)
            with _sink(street, folder / "ours") as port, cluster.broker(folder / "servers") as node:
                seconds, waited_s, grown_mb = _told(street, node, folder, port)
            ours.append(PEOPLE / seconds)
            ratios.append(theirs_s / seconds)
            alone += [] if sdk_s is None else [sdk_s / seconds]
            others.append(waited_s)
            memory.append(grown_mb)
    name = f"{street.channel.value} a second"
    return [
        result(name, ours, 600, "higher", "a second"),
        result(f"{name}, plain", ratios, None, "higher", f"x {street.peer}"),
        *([result(f"{name}, SDK", alone, None, "higher", "x firebase-admin")] if alone else []),
        result("somebody else waits", others, 5, "lower", "s"),
        result("memory grows by", memory, None, "lower", "MB"),
    ]


def _told(street: Street, node: Node, folder: Path, port: int) -> tuple[float, float, float]:
    """Return the seconds for a whole street, for how long somebody else waited, and MB grown."""
    home = {"CHANGEOVER_HOME": str(folder / "home"), **street.settings(port, folder)}
    told = [_record(alone(number, street.channel)) for number in range(PEOPLE)]
    other = msgspec.structs.replace(alone(PEOPLE, street.channel), rule="battery_low")
    topic, file = street.channel.value, folder / "ours"
    with cluster.program(node, DELIVER, **home) as (pid, _):
        at_first_kb = _peak_kb(pid)
        began_s = time.time()
        asyncio.run(cluster.produce(node.servers, topic, told))
        _until(lambda: len(_taken(file)) >= PEOPLE // 10)
        told_s = time.time()
        asyncio.run(cluster.produce(node.servers, topic, [_record(other)]))
        _until(lambda: len(_taken(file)) > PEOPLE)
        taken = _taken(file)
        grown_kb = _peak_kb(pid) - at_first_kb
    ended_s = max(at for at, to in taken if to != other.address)
    heard_s = next(at for at, to in taken if to == other.address)
    return ended_s - began_s, heard_s - told_s, grown_kb / 1_024


def _peak_kb(pid: int) -> int:
    """Return the most memory that a process has had resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


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
def _sink(street: Street, file: Path) -> Iterator[int]:
    port = free_port()
    serving = subprocess.Popen(street.serve(port, file))
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
