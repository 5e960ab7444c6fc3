"""Events as a fleet sends them, from a seed: mostly ticks and readings, now and then an outage."""

import random
from datetime import UTC, datetime, timedelta

from schemas import topics
from schemas.codec import encode
from schemas.events import Context, Event, Reading, Source, Tick, Transition

START = datetime(2026, 5, 1, tzinfo=UTC)
SOURCES = (Source.GRID, Source.GRID, Source.INVERTER, Source.GENERATOR)
STEP = timedelta(seconds=15)


def events(stream: str, devices: int, each: int, seed: int = 1) -> list[Event]:
    """Return ``each`` events of each of ``devices``, in the order in which they reach a broker.

    A twentieth are changes of source, the rest of ``probes`` are readings and ticks, half and half.
    """
    chance = random.Random(seed)
    sources = [Source.GRID] * devices
    told: list[Event] = []
    for number in range(1, each + 1):
        for device in range(devices):
            before = sources[device]
            kind = chance.random()
            if kind < 0.05:
                sources[device] = chance.choice(SOURCES)
            stamp = {
                "device": f"house-{device:07}",
                "epoch": "f00dfeedf00dfeed",
                "seq": number,
                "run": "1a2b3c4d",
                "ts": START + number * STEP + timedelta(milliseconds=device % 15_000),
                "source": sources[device],
                "in_window": False if sources[device] is Source.GENERATOR else None,
                "due": (),
                "online": True,
            }
            told.append(_event(stream, chance, before, stamp, kind))
    return told


def _event(
    stream: str, chance: random.Random, before: Source, stamp: dict[str, object], kind: float
) -> Event:
    fields: dict[str, object] = stamp
    if kind < 0.05 and stream == topics.TRANSITIONS:
        fields = stamp | {"line": 1, "from_": before, "to": stamp["source"]}
        return Transition(**fields)  # type: ignore[arg-type]
    if kind < 0.05:
        return Context(**fields)  # type: ignore[arg-type]
    if kind < 0.5 and stream == topics.PROBES:
        power, soc = float(chance.randrange(3_300)), float(chance.randrange(15, 100))
        fields = stamp | {"line": 1, "power_w": power, "energy_wh": power / 240, "soc_pct": soc}
        return Reading(**fields)  # type: ignore[arg-type]
    return Tick(**fields)  # type: ignore[arg-type]


def payloads(stream: str, devices: int, each: int, seed: int = 1) -> list[tuple[bytes, bytes]]:
    """Return the same as keys and values."""
    return [(event.device.encode(), encode(event)) for event in events(stream, devices, each, seed)]
