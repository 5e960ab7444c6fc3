"""The stored state of one device on one stream, and every version of it that was ever written."""

from datetime import datetime

import msgspec

from tables.alert import Alert
from tables.facts import Facts
from tables.fold import State
from tables.handover import Pending


class StateV2(msgspec.Struct, frozen=True, array_like=True):
    """``State`` as it was at first."""

    at: datetime | None
    facts: Facts
    alerts: dict[str, Alert]
    flickers: int


class EntryV1(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """The stored state as it was at first; upcast when it is read."""

    epoch: str
    seq: int
    missing: int
    duplicates: int
    state: StateV2


class EntryV2(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The second one: with runs, and what became of spools."""

    epoch: str
    seq: int
    runs: tuple[str, ...]
    missing: int
    duplicates: int
    late: int
    rollbacks: int
    behind: int
    horizon: datetime | None
    rolled: bool
    state: StateV2


class Counts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What became of records, since the beginning.

    missing: left out. duplicates: dropped. late: older than the state's time, applied at that.
    rollbacks: how often the spool was one. behind: not decided again.
    """

    missing: int = 0
    duplicates: int = 0
    late: int = 0
    rollbacks: int = 0
    behind: int = 0


NONE = Counts()


class EntryV3(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """The third one: of a device that decides nothing by itself.

    epoch, seq: of the last record. runs: the last eight of this epoch, newest last.
    appended_ms: the latest append time of what was applied.
    horizon: until when events are not decided again: all after a rollback (``rolled``), in a new
    epoch those of the backlog. None: nothing to wait for.
    reached: the latest instant it acted at, where the clock was set since; else that is its time.
    """

    epoch: str = ""
    seq: int = 0
    appended_ms: int = 0
    runs: tuple[str, ...] = ()
    counts: Counts = NONE
    horizon: datetime | None = None
    rolled: bool = False
    reached: datetime | None = None
    state: State = State()


class Entry(EntryV3, frozen=True, array_like=True, tag=4, gc=False):
    """The stored state of one device on one stream.

    own: what the device decides by itself, as ``tables.policy.owned`` reads it.
    pending: what is not settled between it and the servers; mostly None.
    """

    own: bytes = b""
    pending: Pending | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Entry | EntryV3] = msgspec.msgpack.Decoder(Entry | EntryV3)
_old: msgspec.json.Decoder[EntryV1 | EntryV2] = msgspec.json.Decoder(EntryV1 | EntryV2)
JSON = ord("[")  # MessagePack begins no array with it


def written(entry: Entry) -> bytes:
    """Return ``entry`` as it is stored: MessagePack."""
    return _encoder.encode(entry)


def read(stored: bytes) -> Entry:
    """Return the entry in ``stored``, which any version of this program wrote up to this one.

    Raises:
        msgspec.ValidationError: a newer version wrote it, or nobody did.
    """
    if stored[0] != JSON:
        entry = _decoder.decode(stored)
        return entry if isinstance(entry, Entry) else Entry(**msgspec.structs.asdict(entry))
    old = _old.decode(stored)
    # Nothing was kept of its deadlines: the next event looks at all of them.
    state = State(**msgspec.structs.asdict(old.state), wake=old.state.at)
    if isinstance(old, EntryV1):
        counts = Counts(missing=old.missing, duplicates=old.duplicates)
        return Entry(epoch=old.epoch, seq=old.seq, counts=counts, state=state)
    return Entry(
        epoch=old.epoch,
        seq=old.seq,
        runs=old.runs,
        counts=Counts(old.missing, old.duplicates, old.late, old.rollbacks, old.behind),
        horizon=old.horizon,
        rolled=old.rolled,
        state=state,
    )
