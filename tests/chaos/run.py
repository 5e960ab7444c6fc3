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

from app import logs
from app.broker.node import Node
from app.stream.watch import EXIT_UNFINISHED, SESSION_TIMEOUT_S
from edge.ship import Shipper
from tests.chaos.check import RULES, Outcome, check
from tests.chaos.fleet import fleet
from tests.end_to_end.machine import Machine, machine

DEVICES = 16
HEALED_S = 3.0
WORKERS = 3
STEP_S = 0.05
FAULTS = ("kill", "stop", "pause", "add", "remove", "broker stopped", "broker killed", "rules")
WEIGHTS = (5, 3, 2, 2, 2, 1, 2, 1)


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
                time.sleep(self._chance.uniform(1, 5))  # so often does bad luck come
                self._fault(self._chance.choices(FAULTS, WEIGHTS)[0])
            self._still.set()
            if not self._working:
                self._start(1)
            while shipping.is_alive() or not self._quiet():
                self._revive()
                time.sleep(0.5)  # a process that ends by itself is seen by looking
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
                shipper.wake()
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
            time.sleep(SESSION_TIMEOUT_S + 2)  # until its partitions are another's
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


def kill(node: Node) -> None:
    """End the broker as a power cut does."""
    process = node._process
    assert process is not None
    process.kill()
    node.stop()


def run(home: Path, seed: int, seconds: float) -> Outcome:
    """Return the outcome of one run that keeps everything in ``home``."""
    with machine(home, RULES) as house:
        chaos = Chaos(house, house.node, seed)
        chaos.run(seconds)
        outcome = check(house, chaos.devices, chaos.faults, seed)
        chaos.stop()
    outcome.slowest_stop_s = round(chaos.slowest_stop_s, 1)
    outcome.wrong += chaos.wrong
    return outcome


@click.command()
@click.option("--seed", "seeds", type=int, multiple=True, default=(1,), show_default=True)
@click.option("--minutes", default=1.0, show_default=True, help="Of faults; then all is checked.")
@click.option("--keep", type=click.Path(path_type=Path), help="Leave what went wrong in a folder.")
def main(seeds: tuple[int, ...], minutes: float, keep: Path | None) -> None:
    """Run with each seed; print a line of JSON for each; exit code 1 where anything is wrong."""
    logs.to_stderr()
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
