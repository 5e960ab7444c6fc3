"""Logs of devices, made up from a seed, with lines that no parser likes."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 3, 1, tzinfo=UTC)
SOURCES = ("grid", "generator", "inverter", "solar", "none")
BAD_LINES = (
    b"not a line at all",
    b"2026-03-01T00:00:00Z from=grid to=moon",
    b"2026-03-01T00:00:00Z from=gr\xffid to=none",
    b"2026-03-01T00:00:00Z power_w=-3 energy_wh=1",
    b"2026-13-01T00:00:00Z from=grid to=none",
)


def write(folder: Path, servers: str, seed: int, lines: int) -> int:
    """Write the four logs and a configuration into ``folder``; return how many lines are bad."""
    chance = random.Random(seed)
    folder.mkdir(parents=True)
    config = f'device = "{folder.name}"\nbrokers = "{servers}"\n'
    (folder / "notifications.config").write_text(config)
    window = "source=generator days=mon-sun from=18:00 to=23:00 tz=Africa/Lagos"
    (folder / "Op_window.log").write_bytes(_line(START, window))
    (folder / "activeNotifications.log").write_bytes(b"")
    now, source, soc, bad = START, "grid", 90.0, 0
    with (
        (folder / "Transition.log").open("wb") as moves,
        (folder / "probeEnergy.log").open("wb") as probe,
    ):
        for _ in range(lines):
            now += timedelta(seconds=chance.choice((1, 5, 20, 60, 240)))
            kind = chance.random()
            if kind < 0.02:
                bad += 1
                chance.choice((moves, probe)).write(chance.choice(BAD_LINES) + b"\n")
            elif kind < 0.2:
                before, source = source, chance.choice(SOURCES)
                moves.write(_line(now, f"from={before} to={source}"))
            else:
                soc = min(100.0, max(0.0, soc + chance.uniform(-4, 3.5)))
                power, energy = chance.randrange(5_000), chance.uniform(0, 80)
                probe.write(_line(now, f"power_w={power} energy_wh={energy:.3f} soc_pct={soc:.1f}"))
    return bad


def _line(at: datetime, text: str) -> bytes:
    return f"{at:%Y-%m-%dT%H:%M:%SZ} {text}\n".encode()
