"""What was recorded, through the machines once more: for the audit, and for rebuilt tables."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from app import kafka, rules_topic
from schemas import codec
from schemas.handover import Outcome
from tables.machines import MACHINES
from tables.rulebook import Rulebook
from tables.rules import Rule

STREAMS = list(MACHINES)
PROGRESS_EVERY = 1_000
Place = tuple[str, bytes]  # input topic and key


class Replay:
    """Every state, under all versions of all rules. states: by input topic and key."""

    def __init__(self, books: dict[str, Rulebook]) -> None:
        """Begin with no state; ``books`` are the rules of each stream."""
        self.states: dict[Place, Any] = {}
        self._books = books

    def take(self, record: Any) -> Sequence[Outcome] | None:
        """Fold aiokafka's ``record``; return what it reveals, None if nobody can read it."""
        machine, place = MACHINES[record.topic], (record.topic, record.key)
        event = codec.decode(machine.decoder, record.value)
        if isinstance(event, codec.Unreadable) or record.key != event.device.encode():
            return None
        before, book = self.states.get(place, machine.fresh), self._books[record.topic]
        try:
            self.states[place], outcomes = machine.take(book, before, event, record.timestamp)
        except Exception:  # noqa: BLE001 - as a worker, which parks it and goes on
            return None
        return outcomes


async def begin(servers: str, base: tuple[Rule, ...]) -> Replay:
    """Return a replay under ``base`` and the versions that the cluster at ``servers`` has of it.

    Raises:
        ReadError: there is no broker, or no topic of rules.
    """
    versions = (await rules_topic.written(servers)).versions
    return Replay({stream: Rulebook(stream, base, versions) for stream in STREAMS})


async def recorded(
    servers: str,
    ends: kafka.Offsets,
    progress: Callable[[int, int], None],
    names: Sequence[str] = STREAMS,
) -> AsyncIterator[Any]:
    """Yield the records of ``names`` up to ``ends``; tell ``progress`` how many of how many."""
    total, done = sum(ends.values()), 0
    async for record in kafka.read(servers, names, until=ends):
        yield record
        done += 1
        if done % PROGRESS_EVERY == 0:
            progress(done, total)
    progress(total, total)
