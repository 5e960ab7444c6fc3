"""The device's program beside its peers: lines to the broker, memory, wake-ups, and texts."""

import asyncio
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median

import click

from app.sim800 import Simulator
from bench.cluster import DEADLINE_S, POLL_S, broker
from bench.measure import Result, result, rounds
from bench.peers import offline
from tests.sim800.peers import running

ROOT = Path(__file__).parent.parent
LINES = 100_000
BURST = 500_000
ROUNDS = 3
IDLE_S = float(os.environ.get("BENCH_IDLE_S", "300"))
LATENCY_S = 2.0
TEXTS = 5
SETTLES_S = 10.0  # after a start, and after a burst: then its memory is what it keeps
AWAY_S = 10.0  # how long the modem is unplugged
NUMBER = "+380441234567"
EDGE = (sys.executable, "-c", "from app.cli import main; main()", "edge")
CONFIG = 'device = "bench"\nbrokers = "{servers}"\nspool_limit_mb = 2000\n'
RSYSLOG = """\
global(workDirectory="{folder}" maxMessageSize="64k")
module(load="imfile" mode="inotify")
module(load="omkafka")
template(name="raw" type="string" string="%msg%")
input(type="imfile" file="{folder}/probeEnergy.log" tag="x" ruleset="ship" readMode="0" {kept})
ruleset(name="ship" {queue}) {{
  action(type="omkafka" broker="{servers}" topic="probes" template="raw" key="bench"
    confParam=["acks=all", "compression.codec=zstd", "queue.buffering.max.messages=1000000"]
    resubmitOnFailure="on" keepFailedMessages="on" failedMsgFile="{folder}/failed")
}}
"""
# What rsyslog needs so that a power cut loses nothing that it has read: a queue on the disk, each
# entry and each position synced, https://www.rsyslog.com/doc/ (rainerscript/queue_parameters).
DURABLE = {
    "kept": 'persistStateInterval="1" persistStateAfterSubmission="on"',
    "queue": 'queue.type="disk" queue.filename="ship" queue.checkpointInterval="1" '
    'queue.syncQueueFiles="on"',
}
FLEETING = {"kept": "", "queue": ""}


def lines(count: int, first: int = 0) -> str:
    """Return readings, one a second."""
    return "".join(
        f"2026-01-{1 + n // 86_400 % 28:02}T{n // 3_600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}Z "
        f"power_w={n % 900} energy_wh=1.1 battery_v=51.3 soc_pct=87\n"
        for n in range(first, first + count)
    )


def tail() -> list[Result]:
    """Lines from a log to the broker, acks=all: lines a CPU second beside rsyslog's."""
    if shutil.which("rsyslogd") is None:
        raise click.ClickException("rsyslogd is missing: apt-get install rsyslog rsyslog-kafka")
    durable, fleeting = [], []
    for _ in rounds(ROUNDS):
        ours = _cpu(_ours)
        durable.append(_cpu(partial(_rsyslog, DURABLE)) / ours)
        fleeting.append(_cpu(partial(_rsyslog, FLEETING)) / ours)
    return [
        result("tail, lines a CPU s", durable, 2.0, "higher", "x rsyslog"),
        result("the same, a power cut loses", fleeting, None, "higher", "x rsyslog"),
    ]


def _cpu(ship: Callable[[Path, str], None]) -> float:
    """Return the CPU seconds of children in which ``ship`` brings LINES to a broker."""
    with tempfile.TemporaryDirectory() as place, broker(Path(place) / "servers") as node:
        folder = Path(place) / "device"
        folder.mkdir()
        (folder / "probeEnergy.log").write_text(lines(LINES))
        before = _children_s()
        ship(folder, node.servers)
        return _children_s() - before


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ours(folder: Path, servers: str) -> None:
    (folder / "notifications.config").write_text(CONFIG.format(servers=servers))
    config = str(folder / "notifications.config")
    done = subprocess.run((*EDGE, "--config", config, "--once"), check=True, capture_output=True)
    if b"100,000 lines read (0 malformed)" not in done.stdout:
        raise RuntimeError(done.stdout.decode())


def _rsyslog(settings: dict[str, str], folder: Path, servers: str) -> None:
    config = folder / "rsyslog.conf"
    config.write_text(RSYSLOG.format(folder=folder, servers=servers, **settings))
    argv = ("rsyslogd", "-n", "-f", str(config), "-i", str(folder / "pid"))
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline_s = time.monotonic() + DEADLINE_S
        while asyncio.run(_count(servers)) < LINES:
            if time.monotonic() > deadline_s:
                raise RuntimeError("rsyslog did not bring all lines to the broker")
            time.sleep(0.2)  # a topic tells nobody that it has grown
        process.terminate()


async def _count(servers: str) -> int:
    from aiokafka import AIOKafkaConsumer, TopicPartition  # noqa: PLC0415 - a heavy import

    async with AIOKafkaConsumer(bootstrap_servers=servers) as consumer:
        ends = await consumer.end_offsets([TopicPartition("probes", n) for n in range(4)])
        return sum(ends.values())


def memory() -> list[Result]:
    """Resident memory with modem and broker, its growth in a burst, and wake-ups when idle.

    Of the program as a device has it: with the extra ``edge`` alone.
    """
    with (
        tempfile.TemporaryDirectory() as place,
        broker(Path(place) / "servers") as node,
        Simulator(Path(place) / "modem") as sim,
        ExitStack() as edges,
    ):
        python = _alone(Path(place))
        process, other = (
            edges.enter_context(_edge(Path(place) / name, node.servers, modem, python))
            for name, modem in (("device", sim), ("other", None))
        )
        folder = Path(place) / "device"
        (folder / "Transition.log").write_text("2026-01-01T00:00:00Z from=inverter to=grid\n")
        time.sleep(SETTLES_S)
        before, ours = (_status(process.pid, name) for name in ("VmRSS", "RssAnon"))
        with (folder / "probeEnergy.log").open("a") as log:
            for first in range(0, BURST, 10_000):
                log.write(lines(10_000, first))
        while asyncio.run(_count(node.servers)) < BURST:
            time.sleep(1)  # a topic tells nobody that it has grown
        time.sleep(SETTLES_S)
        after = _status(process.pid, "VmRSS")
        polls, began = len(sim.core.commands), [_wakes(each.pid) for each in (process, other)]
        time.sleep(IDLE_S)  # that is what is measured
        ended = [_wakes(each.pid) for each in (process, other)]
        with_modem, without = (
            (end - begin) / IDLE_S for begin, end in zip(began, ended, strict=True)
        )
        polled = len(sim.core.commands) - polls
    return [
        result("device memory", [before / 1_000], 30, "lower", "MB"),
        result("of which no file's", [ours / 1_000], None, "lower", "MB"),
        result("growth, 500,000 lines", [(after - before) / 1_000], 2, "lower", "MB"),
        result("wake-ups, idle, no modem", [without], 0.1, "lower", "a second"),
        result("wake-ups, idle, modem", [with_modem], None, "lower", "a second"),
        result("of which polls of the modem", [polled / IDLE_S], None, "lower", "a second"),
    ]


def _alone(place: Path) -> str:
    """Return the Python of a new environment with the packages that a device has, and no other."""
    folder = place / "edge-alone"
    subprocess.run((sys.executable, "-m", "venv", folder), check=True)
    python, locked = folder / "bin" / "python", ROOT / "deploy" / "requirements" / "edge.txt"
    install = ("-m", "pip", "install", "--quiet", "--require-hashes", "-r", locked)
    subprocess.run((python, *install), check=True)
    compiled = ("-c", "import app.cli.edge, edge.follow, edge.ship, edge.sim800.modem")
    subprocess.run((python, *compiled), check=True, env=_env(place))
    return str(python)


def _env(place: Path) -> dict[str, str]:
    """Return the environment of a program that is installed: its modules are compiled."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    more = {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(place / "compiled")}
    return env | more | {"MALLOC_ARENA_MAX": "1"}


@contextmanager
def _edge(
    folder: Path, servers: str, sim: Simulator | None, python: str
) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir()
    config = folder / "notifications.config"
    modem = "" if sim is None else f'numbers = ["{NUMBER}"]\n[modem]\nport = "{sim.path}"\n'
    more = f'tick = "1h"\n{modem}'
    config.write_text(CONFIG.format(servers=servers) + more)
    argv = (python, *EDGE[1:], "--config", str(config))
    with subprocess.Popen(argv, env=_env(folder.parent), cwd=folder) as process:
        try:
            yield process
        finally:
            process.terminate()


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)


def _wakes(pid: int) -> int:
    """Return how often any thread of ``pid`` went to sleep of its own will."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(
        int(line.split()[1])
        for task in tasks
        for line in (task / "status").read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches")
    )


def texts() -> list[Result]:
    """From a decision to AT+CMGS beyond the modem's own time, beside gammu-smsd and smstools."""
    ours = [asyncio.run(offline.overhead(LATENCY_S)) for _ in rounds(TEXTS)]
    found = [result("decision to AT+CMGS", ours, 0.5, "lower", "s")]
    idle = [asyncio.run(offline.replugged(AWAY_S)) for _ in rounds(TEXTS)]
    found.append(result("modem back to sent", idle, 10, "lower", "s"))
    cut = [asyncio.run(offline.interrupted(LATENCY_S)) for _ in rounds(TEXTS)]
    found.append(result("unplugged sending to known", cut, 20, "lower", "s"))
    for name in ("gammu-smsd", "smstools"):
        theirs = _peer(name)
        found.append(result(f"queue to AT+CMGS, {name}", theirs, None, "lower", "s"))
        ratio = median(ours) / median(theirs)
        found.append(result(f"ours / {name}", [ratio], 1.0, "lower", "x"))
    return found


def _peer(name: str) -> list[float]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with Simulator(folder / "modem") as sim, running(name, folder, sim.path) as peer:
            sim.core.latency_s = LATENCY_S
            spans = []
            for count in range(1, TEXTS + 2):
                queued = peer.queue(NUMBER, f"text {count}")
                while len(sim.sent) < count:
                    time.sleep(POLL_S)  # a modem tells only its peer
                spans.append(sim.asked_at[-1] - queued)
                time.sleep(LATENCY_S + 1)  # until the modem is free again
            return spans[1:]  # the first waits for the peer to come up
