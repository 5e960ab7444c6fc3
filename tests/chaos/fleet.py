"""Devices as edges ship them: outages, ticks, restarts, and everything that goes wrong with them.

What a device did is kept in order (``Device.told``), so that it can be decided again without Kafka.
"""

import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from edge.spool import Row
from schemas import topics
from schemas.codec import encode
from schemas.events import Clock, Context, Event, Reading, Source, Tick, Transition

START = datetime(2026, 5, 1, tzinfo=UTC)
STREAMS = (topics.TRANSITIONS, topics.PROBES)
MISHAPS = ("restart", "wiped", "rolled back", "clock", "lost", "sent again")
RESENT = 10


class Memory:
    """A ledger and its spool in memory, as the shipper wants them."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.rows: list[Row] = []
        self.given: dict[str, int] = {}
        self._next = 1

    @property
    def spool(self) -> "Memory":
        return self

    @property
    def waiting(self) -> int:
        return len(self.rows)

    def add(self, topic: str, event: Event) -> None:
        self.rows.append(Row(self._next, topic, event.seq, event.device.encode(), encode(event)))
        self._next += 1

    def read(self, limit: int, topic: str, _most_bytes: int) -> list[Row]:
        return [row for row in self.rows if row.topic == topic][:limit]

    def newest(self, topic: str) -> int:
        return max((row.seq for row in self.rows if row.topic == topic), default=0)

    def acknowledged(self, topic: str, last: int, _seq: int, _drained: int | None) -> None:
        self.rows = [row for row in self.rows if row.topic != topic or row.id > last]


class Device:
    """One device. mishaps: how many of each befell it; a ``calm`` one has only copies.

    told: what it said on each stream, without the copies.
    """

    def __init__(self, name: str, seed: str, *, calm: bool) -> None:
        self.name = name
        self.spool = Memory(name)
        self.told: dict[str, list[Event]] = {stream: [] for stream in STREAMS}
        self.mishaps: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self.calm = calm
        self._epoch, self._run = self._word(), self._word()
        self._seq = dict.fromkeys(STREAMS, 0)
        self._recent: dict[str, list[Event]] = {stream: [] for stream in STREAMS}
        self.now = START
        self._source = Source.GRID

    def step(self) -> None:
        """Let a moment pass; what happens in it is spooled."""
        chance = self._chance
        self.now += timedelta(seconds=chance.choice((1, 5, 15, 15, 30, 90)), microseconds=250_000)
        if chance.random() < 0.04:
            self._befall("sent again" if self.calm else chance.choice(MISHAPS))
        kind = chance.random()
        if kind < 0.12:
            before, self._source = self._source, chance.choice(list(Source))
            self._say(
                topics.TRANSITIONS, Transition, line=1, from_=before, to=self._source, extra={}
            )
            self._say(topics.PROBES, Context)
        elif kind < 0.6:
            power, soc = float(chance.randrange(5_000)), float(chance.randrange(100))
            self._say(
                topics.PROBES, Reading, line=1, power_w=power, energy_wh=power / 100, soc_pct=soc
            )
        else:
            for stream in STREAMS:
                self._say(stream, Tick)

    def _befall(self, mishap: str) -> None:
        if mishap in ("wiped", "rolled back") and self.spool.waiting:
            return  # what waited would be gone with the spool, or be on its way: nobody could tell
        self.mishaps[mishap] += 1
        match mishap:
            case "restart":
                self._run = self._word()
            case "wiped":
                backlog = {stream: self.told[stream][-5:] for stream in STREAMS}
                self._epoch, self._run = self._word(), self._word()
                self._seq = dict.fromkeys(STREAMS, 0)
                self._recent = {stream: [] for stream in STREAMS}
                self._again(backlog)
            case "rolled back":
                self._run = self._word()
                back = self._chance.randrange(1, 5)
                self._recent = {stream: [] for stream in STREAMS}  # this copy knows none of them
                self._seq = {stream: max(0, seq - back) for stream, seq in self._seq.items()}
            case "clock":
                self._clock()
            case "lost":
                stream = self._chance.choice(STREAMS)
                self._seq[stream] += self._chance.randrange(1, 5)
            case "sent again":
                for stream in STREAMS:
                    for event in self._recent[stream][self._chance.randrange(RESENT) :]:
                        self.spool.add(stream, event)

    def _again(self, backlog: dict[str, list[Event]]) -> None:
        """Say once more what stood in the logs: the new spool knows nothing of it."""
        for stream, events in backlog.items():
            for event in events:
                if isinstance(event, Transition | Reading):
                    fields = {name: getattr(event, name) for name in event.__struct_fields__}
                    stamped = self._stamp(stream) | {"ts": event.ts, "backlog": True}
                    self._tell(stream, type(event)(**(fields | stamped)))

    def _clock(self) -> None:
        was, since = self.now, self.now - timedelta(seconds=self._chance.randrange(600))
        self.now += timedelta(seconds=self._chance.choice((-3_000, -40, 40, 3_000)))
        for stream in STREAMS:
            stamp = self._stamp(stream) | {"ts": was}
            self._tell(stream, Clock(**stamp, was=was, is_=self.now, from_=since))

    def _say(self, stream: str, kind: type[Event], **fields: Any) -> None:
        self._tell(stream, kind(**self._stamp(stream), **fields))

    def _stamp(self, stream: str) -> dict[str, Any]:
        self._seq[stream] += 1
        return {
            "device": self.name,
            "epoch": self._epoch,
            "seq": self._seq[stream],
            "run": self._run,
            "ts": self.now,
            "source": self._source,
            "in_window": False if self._source is Source.GENERATOR else None,
            "due": (),
            "online": None,
        }

    def _tell(self, stream: str, event: Event) -> None:
        self.told[stream].append(event)
        self._recent[stream] = [*self._recent[stream], event][-RESENT:]
        self.spool.add(stream, event)

    def _word(self) -> str:
        return f"{self._chance.getrandbits(32):08x}"


def fleet(seed: int, count: int) -> list[Device]:
    """Return ``count`` devices, every second one of them calm."""
    return [
        Device(f"house-{number}", f"{seed}/{number}", calm=number % 2 == 0)
        for number in range(count)
    ]


def mishaps(devices: Iterable[Device]) -> Counter[str]:
    """Return how many of each befell ``devices``."""
    return sum((device.mishaps for device in devices), Counter[str]())
