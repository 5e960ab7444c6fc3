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
from schemas.record import LATEST, MOST, check_instant
from tables.alert import Alert
from tables.facts import Facts
from tables.fold import State, acts_at, fold
from tables.rulebook import Rulebook

RUNS = 8  # starts of the edge that are remembered: none older has records on their way


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


class Entry(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """The stored state of one device on one stream.

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


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)
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
        return _decoder.decode(stored)
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


def take(
    book: Rulebook, entry: Entry, event: Event, appended_ms: int
) -> tuple[Entry, list[Decision]]:
    """Return the entry after ``event`` and the decisions it reveals.

    appended_ms: the broker's append time of its record.

    Raises:
        OutOfRangeError: it tells a time before 1970 or after 2999; nothing was applied.
    """
    state, at = entry.state, event.ts
    if (
        event.seq == entry.seq + 1
        and event.run in entry.runs
        and event.epoch == entry.epoch
        and entry.horizon is None
        and entry.reached is None
        and state.at is not None
        and state.at <= at < LATEST
        and at.tzinfo is UTC
        and state.at >= book.settled_at
        and entry.appended_ms >= book.settled_ms
        and type(event) is not Clock
    ):  # nearly always: the next record of a device, under rules that have settled
        policy = book.newest.common or book.newest.of(event.device)
        state, decisions = fold(policy, state, event)
        return Entry(  # in order, because naming them takes twice as long
            entry.epoch,
            event.seq,
            appended_ms if appended_ms > entry.appended_ms else entry.appended_ms,  # noqa: FURB136 - max() is slow
            entry.runs,
            entry.counts,
            None,
            False,
            None,
            state,
        ), decisions
    return _any(book, entry, event, max(appended_ms, entry.appended_ms))


def _any(
    book: Rulebook, entry: Entry, event: Event, appended_ms: int
) -> tuple[Entry, list[Decision]]:
    _check(entry.state, event)
    same, known = event.epoch == entry.epoch, event.run in entry.runs
    # A state of the first version knows no runs: as then, what it has counted is a duplicate.
    if same and event.seq <= entry.seq and (known or not entry.runs):
        return _counted(entry, "duplicates"), []
    if not (same and known) or event.seq != entry.seq + 1 or entry.horizon is not None:
        entry = _joined(entry, event)
        if _behind(entry, event):
            return _counted(msgspec.structs.replace(entry, seq=event.seq), "behind"), []
    before = entry.state
    if before.at is not None and event.ts < before.at:
        entry = _counted(entry, "late")
    acts = acts_at(before, event.was if type(event) is Clock else event.ts)
    reached = entry.reached or before.at or acts
    policy, state, decisions = book.bring(
        before, event.device, (reached, entry.appended_ms), (max(reached, acts), appended_ms)
    )
    state, more = fold(policy, state, event)
    horizon = None if entry.horizon is None else _horizon(entry.horizon, event)
    after = msgspec.structs.replace(
        entry,
        seq=event.seq,
        appended_ms=appended_ms,
        horizon=horizon,
        rolled=entry.rolled and horizon is not None,
        reached=_reached(entry, event, state),
        state=state,
    )
    return after, decisions + more


def _counted(entry: Entry, name: str, by: int = 1) -> Entry:
    counted = {name: min(getattr(entry.counts, name) + by, MOST)}
    counts = msgspec.structs.replace(entry.counts, **counted)
    return msgspec.structs.replace(entry, counts=counts)


def _reached(entry: Entry, event: Event, state: State) -> datetime | None:
    """Return the latest instant that ``entry`` and ``event`` acted at, if it is not the time."""
    if type(event) is Clock:
        acted = acts_at(entry.state, event.was)
    elif entry.reached is None or state.at is None:
        return None
    else:
        acted = state.at
    reached = acted if entry.reached is None else max(acted, entry.reached)
    return None if reached == state.at else reached


def raised(before: Entry, after: Entry, event: Event, stream: str, offset: int) -> Gap | None:
    """Return the gap that ``event``, at ``offset``, revealed: what ``take`` made of ``before``."""
    if after.counts is before.counts:  # nothing was counted, as nearly always
        return None
    rolled_back = after.counts.rollbacks > before.counts.rollbacks
    missing = after.counts.missing - before.counts.missing
    if not missing and not rolled_back:
        return None
    return Gap(
        id=gap_id(event.device, stream, event.epoch, event.seq),
        device=event.device,
        stream=stream,
        epoch=event.epoch,
        seq=event.seq,
        offset=offset,
        missing=missing,
        rolled_back=rolled_back,
    )


def _check(state: State, event: Event) -> None:
    check_instant(event.ts)
    if type(event) is Clock:
        for instant in (event.was, event.is_, event.from_):
            check_instant(instant)
        check_instant(acts_at(state, event.was) + (event.is_ - event.was))  # what it is set to


def _joined(entry: Entry, event: Event) -> Entry:
    """Return ``entry`` with the epoch and run of ``event``, and what is missing before it."""
    replace = msgspec.structs.replace
    missing = 0
    if event.epoch != entry.epoch:
        missing = event.seq - 1
        entry = replace(entry, epoch=event.epoch, runs=(), horizon=entry.state.at, rolled=False)
    elif event.seq <= entry.seq:
        entry = replace(_counted(entry, "rollbacks"), horizon=entry.state.at, rolled=True)
    else:
        missing = event.seq - entry.seq - 1
    if missing:
        entry = _counted(entry, "missing", missing)
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
