"""The machines by the stream that each decides on: read, take, write. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from schemas import codec, topics
from schemas.handover import Outcome
from tables import entries, intake, liveness
from tables.rulebook import Rulebook


class Machine(msgspec.Struct, frozen=True):
    """How a stream is decided on, and how a device's state is stored.

    fresh: the state of a device nobody knew.
    """

    decoder: msgspec.json.Decoder[Any]
    take: Callable[[Rulebook, Any, Any, int], tuple[Any, Sequence[Outcome]]]
    fresh: entries.Entry | liveness.Watched
    read: Callable[[bytes], Any]
    written: Callable[[Any], bytes]


def _edge(decoder: msgspec.json.Decoder[Any]) -> Machine:
    return Machine(decoder, intake.take, entries.Entry(), entries.read, entries.written)


MACHINES: Mapping[str, Machine] = {
    topics.TRANSITIONS: _edge(codec.supply_event),
    topics.PROBES: _edge(codec.energy_event),
    topics.LIVENESS: Machine(
        codec.liveness_event,
        liveness.take,
        liveness.Watched(),
        liveness.read,
        liveness.written,
    ),
}
