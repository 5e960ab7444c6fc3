"""The workers' tables, read from their changelogs and rebuilt from what was recorded."""

from collections.abc import Callable
from typing import Any

import msgspec

from app import kafka
from app.replay import STREAMS, Place, begin, recorded
from app.stream.envelope import holds, opened
from schemas import topics
from tables.machines import MACHINES
from tables.rules import Rule

TABLES = {
    topics.TRANSITIONS: topics.SUPPLY_TABLE,
    topics.PROBES: topics.ENERGY_TABLE,
    topics.LIVENESS: topics.LIVENESS_TABLE,
}


class Stored(msgspec.Struct, frozen=True):
    """A value on a changelog. offset: of the last record of its input topic that is in it."""

    offset: int
    state: bytes


class Difference(msgspec.Struct, frozen=True):
    """A state that is not what it should be. None: there is none on that side.

    One that cannot be read is told by its bytes in hex.
    """

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
            if record.value and holds(record.value, found.get(place)):
                found[place] = record.value
    return {place: Stored(*opened(value)) for place, value in found.items()}


def shown(source: str, state: bytes) -> Any:
    """Return ``state`` of a table as plain values, as JSON has them."""
    try:
        return msgspec.to_builtins(_named(MACHINES[source].read(state)))
    except (msgspec.MsgspecError, IndexError) as error:
        return {"unreadable": state.hex(), "reason": str(error)}


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
    """Rebuild every state to where its table must have it, and return what differs.

    That is what its group has committed, because a table is written before; what a table holds
    beyond that, a worker has only just written.

    progress: called with the records read and their number.

    Raises:
        ReadError: there is no broker, or a topic is missing.
    """
    committed = await kafka.committed(servers, topics.DECIDE)
    held = await stored(servers)
    replay, report = await begin(servers, base), Report(states=len(held))
    ends = await kafka.end_offsets(servers, STREAMS)
    async for record in recorded(servers, ends, progress):
        report.events += 1
        done = committed.get((record.topic, record.partition), 0)
        kept = held.get((record.topic, record.key))
        if record.offset < done or (kept is not None and record.offset <= kept.offset):
            replay.take(record)
    for place in held.keys() | replay.states.keys():
        report.differences += _compared(place, held.get(place), replay.states.get(place))
    return report


def _compared(place: Place, held: Stored | None, rebuilt: Any) -> list[Difference]:
    source, key = place
    state = None if rebuilt is None else MACHINES[source].written(rebuilt)
    kept = None if held is None else held.state
    if kept == state:
        return []
    sides = [None if each is None else shown(source, each) for each in (kept, state)]
    if sides[0] == sides[1]:  # an older version of this program wrote it
        return []
    return [Difference(TABLES[source], key.decode(errors="replace"), *sides)]
