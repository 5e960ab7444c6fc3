"""Real histories through the edge as they happened, second by second: as ``decide`` has them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.cli.decide import Replay
from edge.ledger import Ledger
from edge.merge import merged
from edge.parse import LOGS, ParsedLine, parse
from edge.pump import Pump
from edge.spool import Spool
from edge.tail import Tail
from schemas import codec, topics
from schemas.decision import Decision
from tables.fold import State, fold
from tables.policy import Policies
from tables.rules import default
from tests import recordings

SETTLE = timedelta(seconds=2)
DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    topics.TRANSITIONS: codec.supply_event,
    topics.PROBES: codec.energy_event,
}


def lines(folder: Path) -> list[tuple[datetime, str, bytes]]:
    """Return each line with the instant at which it is written, in order."""
    found: dict[str, list[ParsedLine]] = {}
    raw: dict[tuple[str, int], bytes] = {}
    for log in LOGS:
        file = folder / log
        for number, text in enumerate(
            file.read_bytes().splitlines(True) if file.exists() else [], 1
        ):
            line = parse(log, number, text)
            assert isinstance(line, ParsedLine)
            found.setdefault(log, []).append(line)
            raw[log, number] = text
    return [(at, line.log, raw[line.log, line.line]) for at, line in merged(*found.values())]


def live(history: Path, folder: Path) -> list[Decision]:
    """Write ``history`` as it happened beside a running edge; return what its events decide."""
    folder.mkdir()
    written = lines(history)
    began = written[0][0] - timedelta(minutes=1)
    decided: list[Decision] = []
    with Spool(folder / "spool.db", "home") as spool:
        spool._db.execute("PRAGMA synchronous = OFF")  # nobody cuts the power here
        pump = Pump(
            Tail(folder, {}, UTC, SETTLE.total_seconds()),
            Ledger("home", "r", spool),
            timedelta(seconds=15),
        )

        def step(at: datetime) -> None:
            while pump.step((at - began).total_seconds(), at - SETTLE):
                pass

        now = began
        for at, log, raw in written:
            while (due := pump.due(now - SETTLE)) is not None and due + SETTLE < at:
                now = max(due + SETTLE, now + timedelta(seconds=1))
                step(now)
            now = max(now, at)
            with (folder / log).open("ab") as file:
                file.write(raw)
            step(now)
            now += SETTLE
            step(now)
        pump.close(None)
        policies = {stream: Policies(default(), stream).of("home") for stream in DECODERS}
        states = dict.fromkeys(DECODERS, State())
        for row in spool.read(10**7):
            if row.topic in DECODERS:
                event = DECODERS[row.topic].decode(row.value)
                states[row.topic], more = fold(policies[row.topic], states[row.topic], event)
                decided += more
    return sorted(decided, key=lambda each: (each.at, each.rule))


@pytest.mark.recording
@pytest.mark.parametrize(
    "history", [recordings.kyiv, recordings.voltronic], ids=["kyiv", "voltronic"]
)
def test_a_real_history_is_decided_live_as_afterwards(
    tmp_path: Path, history: Callable[[Path], None]
) -> None:
    history(tmp_path / "history")
    expected = Replay(tmp_path / "history", "home").decisions(default())
    seen = live(tmp_path / "history", tmp_path / "device")
    print(f"{len(seen)} decisions")

    assert seen == expected
    assert expected
