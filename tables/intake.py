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
from schemas.events import Claim, Clock, Context, Event, Reading, Tick, Transition
from schemas.events import Policy as PolicyEvent
from schemas.handover import Adopted, Outcome, handover_id
from schemas.liveness import Gap, gap_id
from schemas.record import LATEST, MOST, check_instant
from tables.entries import Entry
from tables.fold import CORE, State, acts_at, fold, ruled
from tables.handover import NOTHING, drain, follow, lost
from tables.policy import Policy, owned
from tables.rulebook import Rulebook
from tables.rules import RulesError

RUNS = 8  # starts of the edge that are remembered: none older has records on their way
PLAIN = frozenset({Transition, Reading, Context, Tick})
NONE_TOLD: list[Outcome] = []  # shared, and never changed


def take(
    book: Rulebook, entry: Entry, event: Event, appended_ms: int
) -> tuple[Entry, list[Outcome]]:
    """Return the entry after ``event``, and what it reveals in the order in which it is told.

    appended_ms: the broker's append time of its record.

    Raises:
        OutOfRangeError: it tells a time before 1970 or after 2999; nothing was applied.
        RulesError: it is a policy that cannot be followed; nothing was applied.
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
        and entry.pending is None
        and type(event) in PLAIN
    ):  # nearly always: the next record of a device, under rules that have settled
        own = entry.own
        newest = book.newest
        policy = None if own else newest.common
        policy = policy or newest.of(event.device, own)
        after, decisions = fold(policy, state, event)
        pending, outcomes = None, NONE_TOLD
        if decisions:
            pending, outcomes = follow(policy, None, state, after, event, decisions, appended_ms)
        latest_ms = appended_ms if appended_ms > entry.appended_ms else entry.appended_ms  # noqa: FURB136 - max() is slow
        # In order, because naming them takes twice as long.
        return Entry(entry.epoch, event.seq, latest_ms, entry.runs, entry.counts,
                     None, False, None, after, own, pending), outcomes  # fmt: skip
    return _any(book, entry, event, max(appended_ms, entry.appended_ms))


def _any(
    book: Rulebook, entry: Entry, event: Event, appended_ms: int
) -> tuple[Entry, list[Outcome]]:
    own = _own(entry, event)
    _check(entry.state, event)
    stream = book.stream
    same, known = event.epoch == entry.epoch, event.run in entry.runs
    # A state of the first version knows no runs: as then, what it has counted is a duplicate.
    if same and event.seq <= entry.seq and (known or not entry.runs):
        return _again(entry, event, stream, appended_ms)
    outcomes: list[Outcome] = []
    if not (same and known) or event.seq != entry.seq + 1 or entry.horizon is not None:
        pending, outcomes = (entry.pending, []) if same else lost(stream, entry.pending, event)
        entry = _joined(msgspec.structs.replace(entry, pending=pending), event)
        if _behind(entry, event):
            counted = _counted(msgspec.structs.replace(entry, seq=event.seq), "behind")
            entry, drained = _drained(counted, event, stream, appended_ms)
            return entry, outcomes + drained
    before = entry.state
    if before.at is not None and event.ts < before.at:
        entry = _counted(entry, "late")
    if type(event) is PolicyEvent and own != entry.own:
        identity = handover_id("adopted", event, stream)
        outcomes.append(Adopted(id=identity, device=event.device, rules=event.rules))
    policy, state, decisions = _folded(book, entry, event, appended_ms, own)
    pending, more = follow(policy, entry.pending, before, state, event, decisions, appended_ms)
    horizon = None if entry.horizon is None else _horizon(entry.horizon, event)
    after = msgspec.structs.replace(
        entry,
        seq=event.seq,
        appended_ms=appended_ms,
        horizon=horizon,
        rolled=entry.rolled and horizon is not None,
        reached=_reached(entry, event, state),
        state=state,
        own=own,
        pending=pending,
    )
    return after, outcomes + more


def _again(
    entry: Entry, event: Event, stream: str, appended_ms: int
) -> tuple[Entry, list[Outcome]]:
    """Return ``entry`` after a copy of a record, and what that reveals.

    The newest, again, with nothing behind it drains its stream: its first copy may have had more.
    """
    counted = _counted(entry, "duplicates")
    newest = event.seq == entry.seq
    return _drained(counted, event, stream, appended_ms) if newest else (counted, [])


def _folded(
    book: Rulebook, entry: Entry, event: Event, appended_ms: int, own: bytes
) -> tuple[Policy, State, list[Decision]]:
    """Return the policy in force after ``event``, the state then, and what was decided."""
    before = entry.state
    acts = acts_at(before, event.was if type(event) is Clock else event.ts)
    reached = entry.reached or before.at or acts
    arrived = max(reached, acts), appended_ms
    policy, state, decisions = book.bring(
        before, event.device, (reached, entry.appended_ms), arrived, entry.own
    )
    if own != entry.own:
        following = book.at(arrived).of(event.device, own)
        state, changed = ruled(policy, following, state, event.device, acts)
        policy, decisions = following, decisions + changed
    state, more = fold(policy, state, event)
    return policy, state, decisions + more


def _own(entry: Entry, event: Event) -> bytes:
    """Return what the device decides by itself once ``event`` has come."""
    if type(event) is not PolicyEvent:
        return entry.own
    if event.core != CORE:
        raise RulesError(f"the device decides by semantics {event.core}, these are {CORE}")
    own = msgspec.json.encode(event.rules) if event.rules else b""
    if own:
        owned(own)
    return own


def _drained(
    entry: Entry, event: Event, stream: str, appended_ms: int
) -> tuple[Entry, list[Outcome]]:
    """Return ``entry`` once ``event``, which is not folded, has drained its stream; if it has."""
    if entry.pending is None or not event.drained:
        return entry, []
    pending, outcomes = drain(stream, entry.pending, entry.state, event, appended_ms)
    return msgspec.structs.replace(entry, pending=None if pending == NOTHING else pending), outcomes


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
    if type(event) is Claim:
        check_instant(event.decision.at)
        check_instant(event.decision.episode)
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
