"""Who is silent, and when: the watcher and the machine, a second at a time."""

from typing import Any

import msgspec
import pytest

from agents.watching import Watcher
from app.stream.producer import Send
from schemas import codec
from schemas.decision import Decision
from schemas.liveness import Gap, LivenessTick, Silent
from tables import entries
from tables import liveness as machine
from tables.entries import Entry
from tables.liveness import Watched
from tables.rulebook import Rulebook
from tables.rules import default
from tables.wheel import Wheel
from tests.events import START, at

BEGAN_MS = round(START.timestamp() * 1_000)
SILENT_AFTER_S = 300
BOOK = Rulebook("liveness", default())


class Kept:
    """A table of one partition, 2."""

    def __init__(self) -> None:
        self.states: dict[bytes, bytes] = {}

    def read(self, partition: int, key: bytes) -> tuple[int, bytes | None]:
        return 0, self.states.get(key) if partition == 2 else None

    def held(self) -> dict[int, set[bytes]]:
        return {2: set(self.states)}


class World:
    """A watcher, the tables it looks at, and an agent that folds at once what it writes."""

    def __init__(self) -> None:
        self.supply, self.energy, self.kept = Kept(), Kept(), Kept()
        self.watcher = self.watch()
        self.seen: list[tuple[str, int]] = []
        self.decisions: list[tuple[str, str, float]] = []

    def watch(self) -> Watcher:
        heard_on: Any = (self.supply, self.energy)
        watched: Any = self.kept
        return Watcher(heard_on, watched, SILENT_AFTER_S)

    def hear(self, second: int, *tables: Kept, key: bytes = b"home") -> None:
        for table in tables or (self.supply, self.energy):
            new = [key] if key not in table.states else []
            table.states[key] = entries.written(Entry(appended_ms=BEGAN_MS + second * 1_000))
            self.watcher.heard(2, [key], new)

    def fold(self, second: int, key: bytes, value: bytes) -> None:
        stored = self.kept.states.get(key)
        before = Watched() if stored is None else machine.read(stored)
        event = codec.liveness_event.decode(value)
        after, decisions = machine.take(BOOK, before, event, BEGAN_MS + second * 1_000)
        self.kept.states[key] = machine.written(after)
        self.decisions += map(_short, decisions)
        self.watcher.noticed(2, [key], [])

    def run(self, first: int, last: int, *, read: bool = True, ours: bool = True) -> None:
        """Look once in each second; what is written is folded in the same second."""
        for second in range(first, last):
            now_s = BEGAN_MS / 1_000 + second
            for send in self.watcher.look({2} if ours else (), {2} if read else (), now_s):
                self._sent(second, send)

    def _sent(self, second: int, send: Send) -> None:
        assert send.partition == 2
        assert send.key is not None
        kind = type(codec.liveness_event.decode(send.value)).__name__
        self.seen.append((kind, second))
        self.fold(second, send.key, send.value)


def _short(decision: Decision) -> tuple[str, str, float]:
    return decision.rule, str(decision.kind), (decision.at - START).total_seconds()


def test_a_silent_device_is_told_after_its_hold_and_again_when_it_is_heard() -> None:
    world = World()
    world.hear(0)
    world.run(0, 1_000)
    world.hear(1_000)
    world.run(1_000, 1_200)
    world.hear(1_200)
    world.run(1_200, 1_400)

    silent, tick, heard, *ticks = world.seen
    assert (silent, tick, heard) == (("Silent", 301), ("LivenessTick", 901 + 1), ("Heard", 1_000))
    assert {kind for kind, _ in ticks} == {"LivenessTick"}
    assert world.decisions == [
        ("device_silent", "fired", 901.0),
        ("device_silent", "resolved", 1_060.0),
    ]


def test_a_device_that_is_heard_is_never_silent() -> None:
    world = World()
    for second in range(0, 3_000, 250):
        world.hear(second, world.supply if second % 500 else world.energy)
        world.run(second, second + 250)

    assert world.seen == []


def test_each_device_is_on_the_wheel_once_whatever_was_noticed() -> None:
    world = World()
    for second in range(0, 20_000, 1_000):
        world.hear(second)
        world.run(second, second + 1_000)
    kinds = [kind for kind, _ in world.seen]

    assert kinds.count("Silent") == 20
    assert kinds.count("Heard") == 19
    world.hear(20_000)
    world.run(20_000, 20_002)
    waiting = world.watcher._all._buckets.values()
    assert sum(map(len, waiting)) <= 1


def test_nobody_is_silent_because_the_server_was_down() -> None:
    world = World()
    world.hear(0)
    world.run(3_600, 3_650, read=False)
    world.hear(3_620, key=b"shop")
    world.run(3_650, 3_650 + SILENT_AFTER_S)
    assert world.seen == []

    world.run(3_650 + SILENT_AFTER_S, 4_000)
    assert [each for each in world.seen if each[0] == "Silent"] == [("Silent", 3_951)] * 2


def test_after_the_broker_was_away_it_listens_anew() -> None:
    world = World()
    world.hear(0)
    world.run(0, 200)
    world.watcher.deaf()
    world.run(250, 549)

    assert world.seen == []


def test_a_partition_that_is_anothers_is_left_alone() -> None:
    world = World()
    world.hear(0)
    world.run(0, 100)
    world.run(100, 2_000, ours=False)

    assert world.seen == []


def test_what_was_recovered_goes_on() -> None:
    before = World()
    before.hear(0)
    before.run(0, 500)
    world = World()
    world.supply, world.kept = before.supply, before.kept
    world.watcher = world.watch()
    world.watcher.rebuild()
    world.run(700, 1_000)

    assert world.decisions == [("device_silent", "fired", 901.0)]


def gap(seq: int, offset: int | None, missing: int = 2) -> bytes:
    return codec.encode(
        Gap(
            id=f"{seq}",
            device="home",
            stream="probes",
            epoch="e",
            seq=seq,
            offset=offset,
            missing=missing,
            rolled_back=missing == 0,
        )
    )


def test_a_gap_is_told_once_and_further_ones_within_the_reset_are_counted() -> None:
    world = World()
    for second, value in enumerate((gap(4, 10), gap(4, 10), gap(9, 15, 0), gap(2, 3))):
        world.fold(second, b"home", value)

    assert world.decisions == [("gap", "fired", 0.0), ("gap", "suppressed", 2.0)]
    assert machine.read(world.kept.states[b"home"]).copies == 2


def test_a_silence_after_a_gap_is_no_gap() -> None:
    world = World()
    world.hear(0)
    world.fold(0, b"home", gap(4, 10))
    world.run(0, 400)

    assert [each[:2] for each in world.decisions] == [("gap", "fired")]


@pytest.mark.parametrize("kind", [Silent, LivenessTick])
def test_what_knows_less_is_a_copy(kind: type[Silent] | type[LivenessTick]) -> None:
    world = World()
    world.hear(0)
    world.run(0, 320)
    world.hear(320)
    world.run(320, 330)
    before = world.kept.states[b"home"]
    world.fold(331, b"home", codec.encode(kind(device="home", heard=at(0))))

    watched = machine.read(world.kept.states[b"home"])
    assert msgspec.structs.replace(watched, copies=0) == machine.read(before)


def test_a_device_that_is_heard_often_waits_once_for_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, added = World(), list[int]()
    monkeypatch.setattr(Wheel, "add", lambda _wheel, _key, second: added.append(second))
    world.watcher.noticed(2, [b"home"], [])
    for _ in range(100):
        world.watcher.heard(2, [b"home"], [])

    assert added == [0]
