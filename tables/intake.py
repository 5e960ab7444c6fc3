"""What an agent does with a record before it is folded: is it new, is something missing. Pure.

* Duplicate: sent again with the epoch, seq and run of its first copy. Dropped, counted.
* Gap: a number was left out, or a new epoch does not begin at 1. Applied, counted, raised.
* Rollback: a number is used anew by an unknown run: the spool is an older copy of itself. Raised;
  what is not newer than what was applied is counted and not decided again.
* New epoch: the spool is a new one. Of what stood in its logs before (``backlog``), what is not
  newer than what was applied is counted and not decided again.
"""

from datetime import UTC, datetime

import msgspec

from schemas.decision import Decision
from schemas.events import Clock, Event
from schemas.liveness import Gap, gap_id
from tables.fold import Policy, State, fold

RUNS = 8  # starts of the edge that are remembered: none older has records on their way
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(3000, 1, 1, tzinfo=UTC)  # sums with any duration of a rule still are instants


class OutOfRangeError(ValueError):
    """An event tells a time that cannot be; nothing was applied."""


class EntryV1(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """The stored state as it was at first; upcast when it is read."""

    epoch: str
    seq: int
    missing: int
    duplicates: int
    state: State


class Entry(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The stored state of one device on one stream; all counts are since the beginning.

    epoch, seq: of the last record. runs: the last eight of this epoch, newest last.
    missing: left out. duplicates: dropped. late: older than the state's time, applied at that.
    rollbacks: how often the spool was one. behind: not decided again.
    horizon: until when events are not decided again: all after a rollback (``rolled``), in a new
    epoch those of the backlog. None: nothing to wait for.
    """

    epoch: str = ""
    seq: int = 0
    runs: tuple[str, ...] = ()
    missing: int = 0
    duplicates: int = 0
    late: int = 0
    rollbacks: int = 0
    behind: int = 0
    horizon: datetime | None = None
    rolled: bool = False
    state: State = State()


_decoder: msgspec.json.Decoder[EntryV1 | Entry] = msgspec.json.Decoder(EntryV1 | Entry)


def read(stored: bytes) -> Entry:
    """Return the entry in ``stored``, which any version of this program wrote up to this one.

    Raises:
        msgspec.ValidationError: a newer version wrote it, or nobody did.
    """
    entry = _decoder.decode(stored)
    if isinstance(entry, EntryV1):
        return Entry(
            epoch=entry.epoch,
            seq=entry.seq,
            missing=entry.missing,
            duplicates=entry.duplicates,
            state=entry.state,
        )
    return entry


def take(policy: Policy, entry: Entry, event: Event) -> tuple[Entry, list[Decision]]:
    """Return the entry after ``event`` and the decisions it reveals.

    Raises:
        OutOfRangeError: it tells a time before 1970 or after 2999.
    """
    _check(event)
    same, known = event.epoch == entry.epoch, event.run in entry.runs
    # A state of the first version knows no runs: as then, what it has counted is a duplicate.
    if same and event.seq <= entry.seq and (known or not entry.runs):
        return msgspec.structs.replace(entry, duplicates=entry.duplicates + 1), []
    if not (same and known) or event.seq != entry.seq + 1 or entry.horizon is not None:
        entry = _joined(entry, event)
        if _behind(entry, event):
            return msgspec.structs.replace(entry, seq=event.seq, behind=entry.behind + 1), []
    state, decisions = fold(policy, entry.state, event)
    late = entry.late + (entry.state.at is not None and event.ts < entry.state.at)
    horizon = None if entry.horizon is None else _horizon(entry.horizon, event)
    after = Entry(  # in order, because naming them takes twice as long
        entry.epoch,
        event.seq,
        entry.runs,
        entry.missing,
        entry.duplicates,
        late,
        entry.rollbacks,
        entry.behind,
        horizon,
        entry.rolled and horizon is not None,
        state,
    )
    return after, decisions


def raised(before: Entry, after: Entry, event: Event, stream: str) -> Gap | None:
    """Return the gap that ``event`` revealed, if it did: what ``take`` made of ``before``."""
    rolled_back = after.rollbacks > before.rollbacks
    if after.missing == before.missing and not rolled_back:
        return None
    return Gap(
        id=gap_id(event.device, stream, event.epoch, event.seq),
        device=event.device,
        stream=stream,
        epoch=event.epoch,
        seq=event.seq,
        missing=after.missing - before.missing,
        rolled_back=rolled_back,
    )


def _check(event: Event) -> None:
    instants = (
        (event.ts, event.was, event.is_, event.from_) if type(event) is Clock else (event.ts,)
    )
    for instant in instants:
        if not EARLIEST <= instant < LATEST:
            raise OutOfRangeError(f"{instant.isoformat()} is not between 1970 and 2999")


def _joined(entry: Entry, event: Event) -> Entry:
    """Return ``entry`` with the epoch and run of ``event``, and what is missing before it."""
    replace = msgspec.structs.replace
    if event.epoch != entry.epoch:
        missing = entry.missing + event.seq - 1
        entry = replace(
            entry, epoch=event.epoch, runs=(), missing=missing, horizon=entry.state.at, rolled=False
        )
    elif event.seq <= entry.seq:
        rollbacks = entry.rollbacks + 1
        entry = replace(entry, rollbacks=rollbacks, horizon=entry.state.at, rolled=True)
    else:
        entry = replace(entry, missing=entry.missing + event.seq - entry.seq - 1)
    if event.run in entry.runs:
        return entry
    return replace(entry, runs=(*entry.runs, event.run)[-RUNS:])


def _behind(entry: Entry, event: Event) -> bool:
    if entry.horizon is None or type(event) is Clock:
        return False
    return event.ts <= entry.horizon and (entry.rolled or event.backlog is True)


def _horizon(horizon: datetime, event: Event) -> datetime | None:
    if type(event) is Clock:
        return horizon + (event.is_ - event.was) if horizon >= event.from_ else horizon
    return None if event.ts > horizon else horizon
