"""The workers' tables, read from their changelogs and rebuilt from what was recorded."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from app import kafka, rules_topic
from app.audit import DECIDED
from app.stream.envelope import holds, opened
from schemas import codec, topics
from tables import intake, liveness
from tables.intake import Entry, OutOfRangeError
from tables.liveness import Watched
from tables.rulebook import Rulebook
from tables.rules import Rule

TABLES = {
    topics.TRANSITIONS: topics.SUPPLY_TABLE,
    topics.PROBES: topics.ENERGY_TABLE,
    topics.LIVENESS: topics.LIVENESS_TABLE,
}
Place = tuple[str, bytes]  # input topic and key


class Stored(msgspec.Struct, frozen=True):
    """A value on a changelog. offset: of the last record of its input topic that is in it."""

    offset: int
    state: bytes


class Difference(msgspec.Struct, frozen=True):
    """A state that is not what it should be. None: there is none on that side."""

    table: str
    device: str
    stored: Any
    rebuilt: Any


class Report(msgspec.Struct, kw_only=True):
    """What was compared. events: read to rebuild the states."""

    states: int = 0
    events: int = 0
    differences: list[Difference] = []


async def stored(servers: str) -> dict[Place, Stored]:
    """Return what is on the changelogs, of each key the value of the highest source offset.

    Raises:
        ReadError: there is no broker, or a changelog is missing.
    """
    found: dict[Place, bytes] = {}
    for source, table in TABLES.items():
        changelog = topics.changelog(topics.DECIDE, table)
        async for record in kafka.read(servers, [changelog]):
            place = source, record.key
            if holds(record.value, found.get(place)):
                found[place] = record.value
    return {place: Stored(*opened(value)) for place, value in found.items()}


def shown(source: str, state: bytes) -> Any:
    """Return ``state`` of a table as plain values, as JSON has them."""
    read = liveness.read if source == topics.LIVENESS else intake.read
    return msgspec.to_builtins(_named(read(state)))


def _named(value: Any) -> Any:
    """Return ``value`` with the fields of structs by name, which are stored by place."""
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.asdict(value)
        return {name: _named(each) for name, each in fields.items()}
    if isinstance(value, dict):
        return {name: _named(each) for name, each in value.items()}
    return value


async def verify(
    servers: str, base: tuple[Rule, ...], progress: Callable[[int, int], None]
) -> Report:
    """Rebuild every state to where its table has it, and return what differs.

    progress: called with the records read and their number.

    Raises:
        ReadError: there is no broker, or a topic is missing.
    """
    held = await stored(servers)
    versions = (await rules_topic.written(servers)).versions
    books = {stream: Rulebook(stream, base, versions) for stream in DECIDED}
    report = Report(states=len(held))
    rebuilt: dict[Place, Entry | Watched] = {}
    ends = await kafka.end_offsets(servers, list(DECIDED))
    total = sum(ends.values())
    async for record in kafka.read(servers, list(DECIDED), until=ends):
        report.events += 1
        if report.events % 1_000 == 0:
            progress(report.events, total)
        _fold(record, books, held, rebuilt)
    progress(total, total)
    for place in held.keys() | rebuilt.keys():
        report.differences += _compared(place, held.get(place), rebuilt.get(place))
    return report


def _fold(
    record: Any,
    books: Mapping[str, Rulebook],
    held: Mapping[Place, Stored],
    rebuilt: dict[Place, Entry | Watched],
) -> None:
    decided, place = DECIDED[record.topic], (record.topic, record.key)
    event = codec.decode(decided.decoder, record.value)
    if isinstance(event, codec.Unreadable) or record.key != event.device.encode():
        return
    if place not in held or record.offset > held[place].offset:
        return
    before = rebuilt.get(place, decided.fresh)
    try:
        rebuilt[place], _ = decided.take(books[record.topic], before, event, record.timestamp)
    except OutOfRangeError:
        return


def _compared(
    place: Place, held: Stored | None, rebuilt: Entry | Watched | None
) -> list[Difference]:
    source, key = place
    state = None
    if isinstance(rebuilt, Watched):
        state = liveness.written(rebuilt)
    elif rebuilt is not None:
        state = intake.written(rebuilt)
    kept = None if held is None else held.state
    if kept == state:
        return []
    sides = [None if each is None else shown(source, each) for each in (kept, state)]
    return [Difference(TABLES[source], key.decode(errors="replace"), *sides)]
