"""``python -m tests.handover.cuts``: the real programs, and a wire between them that is cut again
and again; the device and the workers are killed now and then."""

import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from app.directory import Device
from app.sim800 import Simulator
from schemas import topics
from tests.end_to_end.machine import Machine, machine
from tests.end_to_end.wire import Wire, wire
from tests.people import list_in, somebody

NUMBER, OTHER = "+380441234567", "+15550101"
DEVICE = "home"
CONFIG = """\
device = "home"
brokers = "{brokers}"
settle = "0.1s"
tick = "0.5s"
numbers = ["{number}"]
handoff = "1s"

[modem]
port = "{modem}"

[[rule]]
name = "grid_lost"
for = "200ms"
clear_for = "100ms"
reset = "100ms"
"""
RULES = """\
[[rule]]
name = "grid_lost"
stream = "transitions"
when = { field = "source", not_equals = "grid" }
"""
APPS = ("decide", "route", "deliver")
SETTLED_S = 90.0


class Outcome(msgspec.Struct, kw_only=True):
    """What was done, and what came of it. flagged: of both, said to be possibly double."""

    seed: int
    cuts: int
    device_kills: int
    worker_kills: int
    notifications: int
    by_device: int
    by_servers: int
    both: int
    flagged: int
    nobody: list[str]
    both_unsaid: list[str]
    audit_differences: int


class Street:
    """One device, its wire and its servers."""

    def __init__(self, house: Machine, folder: Path, line: Wire, sim: Simulator, seed: int) -> None:
        self.house, self.folder, self.line, self.sim = house, folder, line, sim
        self.chance = random.Random(seed)
        self.kills: Counter[str] = Counter()
        self._source = "inverter"
        self._last = ""

    def begin(self) -> None:
        ann = somebody("ann", sms=(NUMBER, OTHER))
        list_in(self.house.home, *ann, Device(device=DEVICE, owners=("ann",)))
        for app in APPS:
            self.house.start_worker(app)
        self.folder.mkdir()
        self.move()
        config = CONFIG.format(brokers=self.line.address, number=NUMBER, modem=self.sim.path)
        (self.folder / "notifications.config").write_text(config)
        self.house.follow(self.folder)

    def move(self) -> None:
        """Let the load move to the other source, at an instant of its own."""
        before, self._source = self._source, "grid" if self._source != "grid" else "inverter"
        stamp = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        with (self.folder / "Transition.log").open("a") as file:
            file.write(f"{stamp} from={before} to={self._source}\n")

    def cut(self) -> None:
        """Cut the wire once, with something to tell before, during, or after."""
        chance = self.chance
        for moment in ("before", "cut", "during", "mended"):
            match moment:
                case "cut":
                    self.line.cut(silently=chance.random() < 0.5)
                case "mended":
                    self.line.mend()
                case _ if chance.random() < 0.8:
                    self.move()
            time.sleep(chance.choice((0.05, 0.3, 0.6, 1.2)))
        if chance.random() < 0.06:
            self._kill("device")
        elif chance.random() < 0.04:
            self._kill(chance.choice(APPS))

    def _kill(self, what: str) -> None:
        self.kills["device" if what == "device" else "worker"] += 1
        if what == "device":
            self.house.kill(f"edge-{DEVICE}")
            self.house.follow(self.folder)
        else:
            self.house.kill(f"{what}-1")
            self.house.start_worker(what)

    def end(self) -> None:
        """Wait until nothing is on its way."""
        self.line.mend()
        if self._source != "grid":
            self.move()
        quiet_since, seen = time.monotonic(), -1
        deadline_s = time.monotonic() + 300
        while time.monotonic() - quiet_since < 12 and time.monotonic() < deadline_s:
            count = sum(self.house.count(each) for each in (topics.NOTIFICATIONS, topics.SMS))
            if count + len(self.sim.sent) != seen:
                seen, quiet_since = count + len(self.sim.sent), time.monotonic()
            time.sleep(0.5)

    def outcome(self, seed: int, cuts: int) -> Outcome:
        """Return what became of each notification that had to be told."""
        report = self.house.audit(codes=(0, 1))
        records = {each["id"]: each for each in self._values(topics.NOTIFICATIONS)}
        told = {
            identity: each
            for identity, each in records.items()
            if each["type"] == "decision" and each["kind"] in {"fired", "repeated", "resolved"}
        }
        texts = self._texted(told)
        served = self._served(records)
        both = {each for each in told if texts[each] and served[each]}
        flagged = self._flagged(records)
        return Outcome(
            seed=seed,
            cuts=cuts,
            device_kills=self.kills["device"],
            worker_kills=self.kills["worker"],
            notifications=len(told),
            by_device=sum(bool(texts[each]) for each in told),
            by_servers=sum(bool(served[each]) for each in told),
            both=len(both),
            flagged=len(both & flagged),
            nobody=[each for each in told if not texts[each] and not served[each]],
            both_unsaid=sorted(both - flagged),
            audit_differences=len(report["differences"]),
        )

    def _values(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(each) for each in self.house.values(topic)]

    def _texted(self, told: dict[str, Any]) -> Counter[str]:
        """Return what left the modem, by notification: the n-th claim begins with #n."""
        events = self._values(topics.TRANSITIONS)
        claims = {each["seq"]: each for each in events if each["type"] == "claim"}
        sent = Counter(each.text.text.partition(" ")[0] for each in self.sim.sent)
        numbered = enumerate((claims[seq]["decision"]["id"] for seq in sorted(claims)), 1)
        return +Counter({each: sent[f"#{n}"] for n, each in numbered if each in told})

    def _served(self, records: dict[str, Any]) -> Counter[str]:
        """Return what the servers texted to the device's number, by notification."""
        found: Counter[str] = Counter()
        messages = {each["id"]: each for each in self._values(topics.SMS)}
        for message in messages.values():
            if message["address"] == NUMBER:
                record = records.get(message["notification"], {})
                several = record.get("decisions", [{"id": message["notification"]}])
                found.update(each["id"] for each in several)
        return found

    def _flagged(self, records: dict[str, Any]) -> set[str]:
        doubles = {
            each["decision"]["id"]
            for each in records.values()
            if each["type"] == "claimed" and each["possible_double"]
        }
        return doubles | {
            each["notification"]
            for each in records.values()
            if each["type"] == "answered" and "unknown" in each["outcomes"].values()
        }


def run(seed: int, cuts: int, tell: Callable[[int], None] = lambda _done: None) -> Outcome:
    """Cut the wire so many times and return what came of it."""
    with tempfile.TemporaryDirectory() as place, wire() as line:
        folder = Path(place)
        (folder / "rules.toml").write_text(RULES)
        with (
            Simulator(folder / "modem") as sim,
            machine(folder / "servers", folder / "rules.toml", line.outside) as house,
        ):
            sim.core.latency_s = 0.2
            street = Street(house, folder / DEVICE, line, sim, seed)
            street.begin()
            deadline_s = time.monotonic() + SETTLED_S
            while not house.values(topics.NOTIFICATIONS) and time.monotonic() < deadline_s:
                time.sleep(0.5)
            for done in range(cuts):
                street.cut()
                tell(done + 1)
            street.end()
            return street.outcome(seed, line.cuts)


@click.command()
@click.option("--cuts", default=200, show_default=True, help="How often the wire is cut.")
@click.option("--seed", default=1, show_default=True, help="Of what happens when.")
def main(cuts: int, seed: int) -> None:
    """Cut the wire between a device and its servers, and say who told what."""
    with click.progressbar(length=cuts, label="cuts") as bar:
        outcome = run(seed, cuts, lambda _done: bar.update(1))
    click.echo(msgspec.json.format(msgspec.json.encode(outcome)))
    raise SystemExit(bool(outcome.nobody or outcome.both_unsaid or outcome.audit_differences))


if __name__ == "__main__":
    main()
