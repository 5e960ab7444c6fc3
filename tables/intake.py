"""What an agent does with a record before it is folded: is it new, is something missing. Pure.

A record sent twice has the epoch and seq of its first copy: it is dropped and counted. A number
that was left out is a loss: what came is applied, and the loss counted.
"""

from typing import Literal

import msgspec

from schemas.decision import Decision
from schemas.events import Event
from tables.fold import Policy, State, fold


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """The stored state of one device on one stream.

    epoch, seq: of the last record applied. missing, duplicates: records, since the beginning.
    """

    v: Literal[1] = 1
    epoch: str = ""
    seq: int = 0
    missing: int = 0
    duplicates: int = 0
    state: State = State()


def take(policy: Policy, entry: Entry, event: Event) -> tuple[Entry, list[Decision]]:
    """Return the entry after ``event`` and the decisions it reveals."""
    last = entry.seq if event.epoch == entry.epoch else 0
    if event.seq <= last:
        return msgspec.structs.replace(entry, duplicates=entry.duplicates + 1), []
    missing = entry.missing + event.seq - last - 1
    state, decisions = fold(policy, entry.state, event)
    return Entry(1, event.epoch, event.seq, missing, entry.duplicates, state), decisions
