"""Hours of bad luck in minutes: workers and the broker suffer while devices go on.

Afterwards: every event applied exactly once, the decisions those of the events, byte for byte, and
the tables those of a rebuild. ``make chaos SEED=1 MINUTES=30``, or several seeds one after another.
"""

import asyncio
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import msgspec
import structlog

from app.broker.node import Node
from app.stream.watch import EXIT_UNFINISHED, SESSION_TIMEOUT_S
from edge.ship import Shipper
from schemas import codec, topics
from schemas.decision import Decision
from tables.intake import Entry, raised, take
from tables.rulebook import Rulebook
from tables.rules import parse
from tests import naive
from tests.chaos.fleet import STREAMS, Device, fleet, mishaps
from tests.end_to_end.machine import Machine, machine

DEVICES = 16
HEALED_S = 3.0
WORKERS = 3
STEP_S = 0.05
RULES = Path(__file__).parent / "rules.toml"
FAULTS = ("kill", "stop", "pause", "add", "remove", "broker stopped", "broker killed", "rules")
WEIGHTS = (5, 3, 2, 2, 2, 1, 2, 1)


class Outcome(msgspec.Struct, kw_only=True):
    """What one run did, and what it found. wrong: sentences; none is as it should be."""

    seed: int
    faults: dict[str, int]
    mishaps: dict[str, int]
    events: int
    copies_of_events: int
    decisions: int
    copies_of_decisions: int
    gaps: int
    states: int
    slowest_stop_s: float
    wrong: list[str] = []


class Chaos:
    """One run on a broker of its own."""

    def __init__(self, house: Machine, node: Node, seed: int) -> None:
        self.faults: Counter[str] = Counter()
        self.devices = fleet(seed, DEVICES)
        self.slowest_stop_s = 0.0
        self.wrong: list[str] = []
        self._house, self._node = house, node
        self._chance = random.Random(f"faults/{seed}")
        self._working: set[int] = set()
        self._still, self._given_up = threading.Event(), threading.Event()
        self._calm_since_s: float | None = None
        self._rules = parse(RULES.read_text(), RULES.name)

    def run(self, seconds: float) -> None:
        """Let things happen for ``seconds``, then heal everything and return when all is decided.

        Processes are started on this thread: they end with it.
        """
        shipping = threading.Thread(target=lambda: asyncio.run(self._ship()))
        shipping.start()
        try:
            self._start(1)
            self._start(2)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                time.sleep(self._chance.uniform(1, 5))
                self._fault(self._chance.choices(FAULTS, WEIGHTS)[0])
            self._still.set()
            if not self._working:
                self._start(1)
            while shipping.is_alive() or not self._quiet():
                self._revive()
                time.sleep(0.5)
        finally:
            self._still.set()
            self._given_up.set()
            shipping.join()

    def _quiet(self) -> bool:
        """Tell whether the workers have had the time to end by themselves, and none has."""
        self._calm_since_s = self._calm_since_s or time.monotonic()
        return time.monotonic() - self._calm_since_s > HEALED_S

    def _revive(self) -> None:
        """Start what ended by itself, as a supervisor does."""
        for number in sorted(self._working):
            name = f"decide-{number}"
            if not self._house.running(name):
                code = self._house.ended(name)
                self.faults["ended by itself"] += 1
                if code != EXIT_UNFINISHED:
                    self.wrong.append(f"{name} ended with {code}: {self._house.log(name)}")
                self._house.start_worker("decide", number)
                self._calm_since_s = None

    def stop(self) -> None:
        """End every worker as a supervisor does."""
        for number in sorted(self._working):
            self._stop(number)

    async def _ship(self) -> None:
        shippers: list[Any] = [Shipper(each.spool, [self._node.servers]) for each in self.devices]  # type: ignore[arg-type]
        tasks = [asyncio.create_task(shipper.run()) for shipper in shippers]
        while not self._still.is_set():
            for device, shipper in zip(self.devices, shippers, strict=True):
                device.step()
                shipper.wake.set()
            await asyncio.sleep(STEP_S)
        while any(device.spool.waiting for device in self.devices) and not self._given_up.is_set():
            await asyncio.sleep(STEP_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _fault(self, fault: str) -> None:
        self._revive()
        number = self._chance.choice(sorted(self._working)) if self._working else None
        match fault:
            case "add" if len(self._working) < WORKERS:
                self._start(min({*range(1, WORKERS + 1)} - self._working))
            case "kill" | "stop" | "pause" | "remove" if number is not None:
                self._befall(fault, number)
            case "broker stopped":
                self._node.stop()
                self._node.start()
            case "broker killed":
                kill(self._node)
                self._node.start()
            case "rules":
                self._change_rules()
            case _:
                return
        self.faults[fault] += 1

    def _befall(self, fault: str, number: int) -> None:
        name = f"decide-{number}"
        if fault == "kill":
            self._house.kill(name)
            self._working.remove(number)
        elif fault == "pause":
            member = self._house.ready(name)
            self._house.signal(name, signal.SIGSTOP)
            time.sleep(SESSION_TIMEOUT_S + 2)
            self._house.signal(name, signal.SIGCONT)
            if not member:  # it had nothing that another could have taken: it may go on
                return
            code = self._house.ended(name)
            self._working.remove(number)
            if code != EXIT_UNFINISHED:
                self.wrong.append(f"{name} ended with {code} after a pause")
        else:
            self._stop(number)
        if fault != "remove":
            self._start(number)

    def _start(self, number: int) -> None:
        self._house.start_worker("decide", number)
        self._working.add(number)

    def _stop(self, number: int) -> None:
        self._working.remove(number)
        self._house.signal(f"decide-{number}", signal.SIGTERM)
        began_s = time.monotonic()
        code = self._house.ended(f"decide-{number}")
        self.slowest_stop_s = max(self.slowest_stop_s, time.monotonic() - began_s)
        if code not in (0, -signal.SIGTERM):
            self.wrong.append(f"decide-{number} ended with {code} when it was stopped")

    def _change_rules(self) -> None:
        """Give one rule another hold, from about the time on that the devices have come to."""
        hold = self._chance.choice(("10s", "1m", "5m"))
        file = self._house.home / "changed.toml"
        file.write_text(RULES.read_text().replace('for = "45s"', f'for = "{hold}"'))
        since = min(device.now for device in self.devices) + timedelta(minutes=30)
        self._house.run("rules", "apply", str(file), "--effective-from", since.isoformat())

    def expected(self) -> tuple[dict[str, bytes], set[str]]:
        """Return what the events decide by themselves, by id, and the ids of the gaps."""
        expected: dict[str, bytes] = {}
        gaps = set[str]()
        for device in self.devices:
            for stream in STREAMS:
                book, entry = Rulebook(stream, self._rules), Entry()
                decisions: list[Decision] = []
                for event in device.told[stream]:
                    after, more = take(book, entry, event, 0)
                    gap = raised(entry, after, event, stream, 0)
                    gaps |= set() if gap is None else {gap.id}
                    entry, decisions = after, decisions + more
                expected |= {each.id: codec.encode(each) for each in decisions}
                if device.calm:
                    self._judge(device, stream, decisions)
        return expected, gaps

    def _judge(self, device: Device, stream: str, decisions: list[Decision]) -> None:
        """Compare with the second implementation what befell nothing but copies."""
        rules = tuple(each for each in self._rules if each.stream == stream)
        seen = sorted(decisions, key=lambda each: (each.at, each.rule))
        if seen != naive.decisions(rules, device.name, stream, device.told[stream]):
            self.wrong.append(f"{device.name} {stream}: the second implementation disagrees")


def check(house: Machine, chaos: Chaos, seed: int) -> Outcome:
    """Return what became of everything; nothing runs any more but the broker and workers."""
    audit, verified = house.audit(codes=(0, 1)), house.verify()
    recorded = house.values(topics.NOTIFICATIONS)
    by_id: dict[str, bytes] = {}
    twice = [each for each in recorded if by_id.setdefault(identity(each), each) != each]
    fixed = {id_: value for id_, value in by_id.items() if not ruled(value)}
    expected, gaps = chaos.expected()
    expected = {id_: value for id_, value in expected.items() if not ruled(value)}
    written = {
        msgspec.json.decode(each)["id"] for each in house.values(topics.LIVENESS) if gap(each)
    }
    wrong = chaos.wrong + [f"another with this id: {each!r}" for each in twice]
    wrong += [f"audit: {each}" for each in audit["differences"]]
    wrong += [f"tables: {each}" for each in verified["differences"]]
    wrong += [f"not decided: {expected[each]!r}" for each in expected.keys() - fixed.keys()]
    wrong += [f"not expected: {fixed[each]!r}" for each in fixed.keys() - expected.keys()]
    wrong += [f"differs: {fixed[each]!r}" for each in fixed.keys() & expected.keys()
              if fixed[each] != expected[each]]  # fmt: skip
    wrong += [f"gap {each}" for each in gaps ^ written]
    told = sum(len(each) for device in chaos.devices for each in device.told.values())
    applied = sum(map(house.count, STREAMS)) - audit["duplicates"]
    if applied != told:
        wrong.append(f"{told} events were told, {applied} applied")
    return Outcome(
        seed=seed,
        faults=dict(chaos.faults),
        mishaps=dict(mishaps(chaos.devices)),
        events=told,
        copies_of_events=audit["duplicates"],
        decisions=len(by_id),
        copies_of_decisions=len(recorded) - len(by_id),
        gaps=len(gaps),
        states=verified["states"],
        slowest_stop_s=round(chaos.slowest_stop_s, 1),
        wrong=wrong,
    )


def kill(node: Node) -> None:
    """End the broker as a power cut does."""
    process = node._process
    assert process is not None
    process.kill()
    node.stop()


def ruled(decision: bytes) -> bool:
    """Tell whether it is of a rule that changed meanwhile: only the audit knows those."""
    return b'"rule":"changing"' in decision or b'"stream":"liveness"' in decision


def identity(decision: bytes) -> str:
    return str(msgspec.json.decode(decision)["id"])


def gap(record: bytes) -> bool:
    return b'"type":"gap"' in record


def run(home: Path, seed: int, seconds: float) -> Outcome:
    """Return the outcome of one run that keeps everything in ``home``."""
    with machine(home, RULES) as house:
        chaos = Chaos(house, house.node, seed)
        chaos.run(seconds)
        outcome = check(house, chaos, seed)
        chaos.stop()
    outcome.slowest_stop_s = round(chaos.slowest_stop_s, 1)
    return outcome


@click.command()
@click.option("--seed", "seeds", type=int, multiple=True, default=(1,), show_default=True)
@click.option("--minutes", default=1.0, show_default=True, help="Of faults; then all is checked.")
@click.option("--keep", type=click.Path(path_type=Path), help="Leave what went wrong in a folder.")
def main(seeds: tuple[int, ...], minutes: float, keep: Path | None) -> None:
    """Run with each seed; print a line of JSON for each; exit code 1 where anything is wrong."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    failed = False
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder) / f"seed-{seed}"
            outcome = run(home, seed, minutes * 60)
            if keep is not None and outcome.wrong:
                shutil.copytree(home, keep / home.name, dirs_exist_ok=True)
        click.echo(msgspec.json.encode(outcome))
        failed = failed or bool(outcome.wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main()
