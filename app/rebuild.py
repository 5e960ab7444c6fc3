"""The workers' tables, read from their changelogs and rebuilt from what was recorded."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from app import kafka
from app.replay import Place, begin, recorded
from app.stream.envelope import holds, opened
from schemas import codec, topics
from tables import outbox, outbox_state
from tables.machines import MACHINES
from tables.rules import Rule


class Table(msgspec.Struct, frozen=True):
    """A table, and the group that writes it; how a state of it is read and written."""

    group: str
    name: str
    read: Callable[[bytes], Any]
    written: Callable[[Any], bytes]


def _decided(source: str, name: str) -> Table:
    return Table(topics.DECIDE, name, MACHINES[source].read, MACHINES[source].written)


TABLES = {  # by the topic that each is rebuilt from
    topics.TRANSITIONS: _decided(topics.TRANSITIONS, topics.SUPPLY_TABLE),
    topics.PROBES: _decided(topics.PROBES, topics.ENERGY_TABLE),
    topics.LIVENESS: _decided(topics.LIVENESS, topics.LIVENESS_TABLE),
    topics.DELIVERIES: Table(
        topics.DELIVER, topics.OUTBOXES_TABLE, outbox_state.read, outbox_state.written
    ),
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
    key: str
    stored: Any
    rebuilt: Any


class Report(msgspec.Struct, kw_only=True):
    """What was compared. events: read to rebuild the states."""

    states: int = 0
    events: int = 0
    differences: list[Difference] = []


class Posted:
    """Every outbox, folded once more. states: by topic and recipient."""

    def __init__(self) -> None:
        """Begin with nothing queued."""
        self.states: dict[Place, Any] = {}

    def take(self, record: Any) -> None:
        """Fold aiokafka's ``record`` of ``deliveries``, unless a worker has parked it."""
        event = codec.decode(codec.outbox_event, record.value)
        if isinstance(event, codec.Unreadable) or record.key is None:
            return
        place = record.topic, record.key
        before = self.states.get(place, outbox_state.Outbox())
        with suppress(Exception):  # as a worker, which parks it and goes on
            self.states[place], _ = outbox.take(before, event, record.timestamp)


async def stored(servers: str) -> dict[Place, Stored]:
    """Return what is on the changelogs, of each key the value of the highest source offset.

    Raises:
        ReadError: there is no broker, or a changelog is missing.
    """
    found: dict[Place, bytes] = {}
    for source, table in TABLES.items():
        changelog = topics.changelog(table.group, table.name)
        async for record in kafka.read(servers, [changelog]):
            place = source, record.key
            if record.value and holds(record.value, found.get(place)):
                found[place] = record.value
    return {place: Stored(*opened(value)) for place, value in found.items()}


def shown(source: str, state: bytes) -> Any:
    """Return ``state`` of a table as plain values, as JSON has them."""
    try:
        return msgspec.to_builtins(_named(TABLES[source].read(state)))
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
    committed: dict[tuple[str, int], int] = {}
    for group in {table.group for table in TABLES.values()}:
        committed |= await kafka.committed(servers, group)
    held = await stored(servers)
    replay, posted, report = await begin(servers, base), Posted(), Report(states=len(held))
    ends = await kafka.end_offsets(servers, list(TABLES))
    async for record in recorded(servers, ends, progress, list(TABLES)):
        report.events += 1
        done = committed.get((record.topic, record.partition), 0)
        kept = held.get((record.topic, record.key))
        if record.offset < done or (kept is not None and record.offset <= kept.offset):
            (posted if record.topic == topics.DELIVERIES else replay).take(record)
    rebuilt = replay.states | posted.states
    for place in held.keys() | rebuilt.keys():
        report.differences += _compared(place, held.get(place), rebuilt.get(place))
    return report


def _compared(place: Place, held: Stored | None, rebuilt: Any) -> list[Difference]:
    source, key = place
    state = None if rebuilt is None else TABLES[source].written(rebuilt)
    kept = None if held is None else held.state
    if kept == state:
        return []
    sides = [None if each is None else shown(source, each) for each in (kept, state)]
    if sides[0] == sides[1]:  # an older version of this program wrote it
        return []
    return [Difference(TABLES[source].name, key.decode(errors="replace"), *sides)]
