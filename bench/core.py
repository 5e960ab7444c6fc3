"""The decision core against the same job written plainly: orjson, dicts, datetimes."""

import gc
import importlib
from collections.abc import Callable, Sequence

import click
import msgspec

from bench import measure, workload
from bench.measure import Result
from bench.peers import plain
from bench.peers.plain_rules import Record
from schemas import codec, handover, topics
from schemas.decision import Decision
from schemas.events import Event
from tables.entries import Entry
from tables.intake import take
from tables.rulebook import Rulebook
from tables.rules import default

DEVICES, EACH = 100, 300
STREAMS = {topics.TRANSITIONS: codec.supply_event, topics.PROBES: codec.energy_event}
FRESH = Entry()


def decided(book: Rulebook, events: Sequence[Event]) -> list[Decision]:
    """Return what ``events`` decide, from nothing."""
    entries: dict[str, Entry] = {}
    decisions: list[Decision] = []
    for event in events:
        entry = entries.get(event.device)
        entries[event.device], more = take(book, FRESH if entry is None else entry, event, 0)
        decisions += handover.decided(more)
    return decisions


def ours(stream: str, values: Sequence[bytes]) -> list[bytes]:
    """Return the encoded decisions on ``values``."""
    decoder: msgspec.json.Decoder[Event] = STREAMS[stream]  # type: ignore[assignment]
    events = [decoder.decode(value) for value in values]
    return [codec.encode(each) for each in decided(Rulebook(stream, default()), events)]


def theirs(stream: str, values: Sequence[bytes]) -> list[bytes]:
    """Return the same, done plainly."""
    return [plain.encode(each) for each in _plainly(stream, plain.events(values))]


def _plainly(stream: str, events: Sequence[Record]) -> list[Record]:
    rules, states = plain.load_rules(stream), dict[str, Record]()
    return [each for event in events for each in plain.decide(rules, states, event)]


def core() -> list[Result]:
    """From typed events to decisions."""
    found = []
    for stream in STREAMS:
        typed = workload.events(stream, DEVICES, EACH)
        dicts = plain.events([codec.encode(event) for event in typed])
        book = Rulebook(stream, default())
        same([codec.encode(each) for each in decided(book, typed)],
             [plain.encode(each) for each in _plainly(stream, dicts)])  # fmt: skip
        gc.freeze()
        values = measure.ratios(
            lambda typed=typed, book=book: measure.cpu(lambda: decided(book, typed)),  # type: ignore[misc]
            lambda dicts=dicts, stream=stream: measure.cpu(lambda: _plainly(stream, dicts)),  # type: ignore[misc]
        )
        gc.unfreeze()
        found.append(measure.result(f"core {stream}", values, 4.5, "higher", "x plain"))
    return found


def bytes_() -> list[Result]:
    """From bytes to encoded decisions, against the plain job and, where it is there, Bytewax."""
    found = []
    for stream in STREAMS:
        values = [value for _, value in workload.payloads(stream, DEVICES, EACH)]
        found.append(_against(stream, values, theirs, "plain", 2.0))
        bytewax = _bytewax()
        if bytewax is not None:
            found.append(_against(stream, values, bytewax, "Bytewax", 5.0))
    return found


def _against(
    stream: str,
    values: Sequence[bytes],
    peer: Callable[[str, Sequence[bytes]], list[bytes]],
    name: str,
    target: float,
) -> Result:
    same(ours(stream, values), peer(stream, values))
    found = measure.ratios(
        lambda: measure.cpu(lambda: ours(stream, values)),
        lambda: measure.cpu(lambda: peer(stream, values)),
    )
    return measure.result(f"bytes {stream} {name}", found, target, "higher", f"x {name}")


def _bytewax() -> Callable[[str, Sequence[bytes]], list[bytes]] | None:
    try:
        peer = importlib.import_module("bench.peers.bytewax_peer")
    except ModuleNotFoundError:
        click.echo("Bytewax is not installed: pip install 'changeover[bench]'", err=True)
        return None
    decide: Callable[[str, Sequence[bytes]], list[bytes]] = peer.decide
    return decide


def same(mine: Sequence[bytes], other: Sequence[bytes]) -> None:
    """Return if both made the same decisions, at least one.

    Raises:
        ClickException: they did not: then no ratio of theirs means anything.
    """
    if not mine or sorted(mine) != sorted(other):
        raise click.ClickException(f"the peer decided {len(other)}, we {len(mine)}: not the same")
