"""Who tells: the device by itself, or the servers. One part of a stream's state. Pure.

A decision is the servers' to tell once its stream is drained: nothing that the device might have
said about it is still on its way. Until then it is held; at the drained point it is released,
unless it is too old to help and over: such ones go into one digest, which says how many more there
were than could be held; if none is such, the oldest goes there. A claim says that the device texts
it; it is left open until the device says what became of its texts.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from schemas.decision import Decision, Kind
from schemas.events import Claim, EdgeEvent, Event, Sim, Texted
from schemas.handover import (
    Answered,
    Claimed,
    Digest,
    Held,
    Outcome,
    Released,
    handover_id,
)
from schemas.record import instant
from tables.alert import CLEAR, FIRED, REPEATED, RESOLVED, Alert
from tables.fold import State, notification_id
from tables.policy import Policy

TOLD = (FIRED, REPEATED, RESOLVED)
MOST = 64  # held of one device: more than it can decide in an hour; older ones are only counted
LOST = "the device began a new spool"


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """A decision that waits to be released. useful_until: after it, it helps nobody."""

    decision: Decision
    useful_until: datetime


class Open(msgspec.Struct, frozen=True, array_like=True):
    """A claim without an answer. claimed: the id as the device has it; notification: as we do."""

    claimed: str
    notification: str
    numbers: tuple[str, ...]


class Pending(msgspec.Struct, frozen=True, array_like=True):
    """What is not settled between a device and the servers.

    held: oldest first. unlisted: how many more there were. open: claims.
    """

    held: tuple[Waiting, ...] = ()
    unlisted: int = 0
    open: tuple[Open, ...] = ()


NOTHING = Pending()


def follow(
    policy: Policy,
    pending: Pending | None,
    before: State,
    after: State,
    event: Event,
    decisions: list[Decision],
    appended_ms: int,
) -> tuple[Pending | None, list[Outcome]]:
    """Return what is pending after ``event``, and all that goes on the topic, in order.

    before, after: the state of the alerts then. decisions: what ``event`` revealed.
    """
    pending, now = pending or NOTHING, instant(appended_ms)
    outcomes, at_once = list[Outcome](), list[Outcome]()
    for decision in decisions:
        useful_until = decision.at + policy.useful_for(decision)
        if event.drained and not (event.drain_to is not msgspec.UNSET and now > useful_until):
            at_once.append(decision)
            continue
        outcomes.append(Held(decision))
        if decision.kind in TOLD:
            pending = _holding(pending, Waiting(decision, useful_until))
    if type(event) is Claim:
        pending, outcome = _claimed(policy, pending, before, event)
        outcomes.append(outcome)
    elif type(event) is Sim:
        pending, answered = _answered(pending, policy.stream, event)
        outcomes.extend(answered)
    if event.drained:
        pending, drained = drain(policy.stream, pending, after, event, appended_ms)
        outcomes.extend(drained)
    return _or_none(pending), outcomes + at_once


def drain(
    stream: str, pending: Pending, state: State, event: EdgeEvent, appended_ms: int
) -> tuple[Pending, list[Outcome]]:
    """Return what is pending once ``event`` has drained ``stream``, and what that releases."""
    now, outcomes = instant(appended_ms), list[Outcome]()
    last: dict[str, int] = {}  # by rule, the last that is too old and over
    for place, waiting in enumerate(pending.held):
        if now > waiting.useful_until and not _holds(state, waiting.decision):
            episode = waiting.decision.rule, waiting.decision.episode
            for later, other in enumerate(pending.held[place:], place):
                if (other.decision.rule, other.decision.episode) == episode:
                    last[waiting.decision.rule] = later
    told = [  # what is held of a rule before that goes along: people hear of it in its order
        each for place, each in enumerate(pending.held) if place <= last.get(each.decision.rule, -1)
    ]
    if pending.unlisted and not told:  # so that somebody hears how many there were
        told = _over(pending, state)
    if told:
        digest = Digest(
            id=handover_id("digest", event, stream),
            device=event.device,
            stream=stream,
            decisions=tuple(each.decision for each in told),
            unlisted=pending.unlisted,
        )
        outcomes.append(digest)
    for waiting in (each for each in pending.held if each not in told):
        decision = waiting.decision
        released = Released(
            id=handover_id("released", event, stream, decision.id),
            device=event.device,
            decision=decision,
            afresh=now > waiting.useful_until,
        )
        outcomes.append(released)
    unlisted = 0 if told else pending.unlisted  # what still lasts is no place to say that
    return msgspec.structs.replace(pending, held=(), unlisted=unlisted), outcomes


def _over(pending: Pending, state: State) -> list[Waiting]:
    """Return the first that is over of what is held, behind what is held of its rule before."""
    for place, waiting in enumerate(pending.held):
        if not _holds(state, waiting.decision):
            rule = waiting.decision.rule
            return [each for each in pending.held[: place + 1] if each.decision.rule == rule]
    return []


def lost(
    stream: str, pending: Pending | None, event: EdgeEvent
) -> tuple[Pending | None, list[Outcome]]:
    """Return what is pending in a new epoch: nobody will answer for the claims of the old one."""
    if pending is None or not pending.open:
        return pending, []
    outcomes: list[Outcome] = [
        Answered(
            id=handover_id("answered", event, stream, claim.notification),
            device=event.device,
            notification=claim.notification,
            outcomes=dict.fromkeys(claim.numbers, Texted.UNKNOWN),
            reason=LOST,
        )
        for claim in pending.open
    ]
    return _or_none(msgspec.structs.replace(pending, open=())), outcomes


def _or_none(pending: Pending) -> Pending | None:
    return None if pending == NOTHING else pending


def _holding(pending: Pending, waiting: Waiting) -> Pending:
    held = (*pending.held, waiting)
    unlisted = pending.unlisted + max(0, len(held) - MOST)
    return msgspec.structs.replace(pending, held=held[-MOST:], unlisted=unlisted)


def _claimed(
    policy: Policy, pending: Pending, before: State, claim: Claim
) -> tuple[Pending, Claimed]:
    """Return ``pending`` with ``claim`` open, and the record that says so.

    It is matched by rule, kind and overlap; what it matches is told as it would be without it.
    """
    theirs = claim.decision
    ours = next(_matching(pending, before, theirs), None)
    if ours is None:  # nobody else knows of it: the claim itself is what is told
        ours = theirs
        useful_until = ours.at + policy.useful_for(ours)
        pending = _holding(pending, Waiting(ours, useful_until))
    opened = (*pending.open, Open(theirs.id, ours.id, claim.numbers))[-MOST:]
    claimed = Claimed(
        id=handover_id("claimed", claim, policy.stream, ours.id),
        device=claim.device,
        decision=ours,
        numbers=claim.numbers,
        possible_double=claim.possible_double,
    )
    return msgspec.structs.replace(pending, open=opened), claimed


def _matching(pending: Pending, before: State, theirs: Decision) -> Iterator[Decision]:
    """Yield our decisions that ``theirs`` means, the best first.

    An episode that has one name on both sides was decided alike: ``theirs`` is held, or was told.
    Else it is the one of another name whose span overlaps with it.
    """
    held = [each.decision for each in pending.held]
    alert = before.alerts.get(theirs.rule, CLEAR)
    yield from (each for each in held if each.id == theirs.id)
    if alert.episode == theirs.episode and alert.told:
        yield theirs
    yield from (each for each in held if _overlap(each, theirs))
    told = _told(alert, theirs)
    if told is not None and _overlap(told, theirs):
        yield told


def _overlap(ours: Decision, theirs: Decision) -> bool:
    """Return whether they tell of one episode by two names; by one name they have one id."""
    alike = ours.rule == theirs.rule and ours.kind is theirs.kind
    named_otherwise = ours.episode != theirs.episode
    return alike and named_otherwise and ours.episode <= theirs.at and theirs.episode <= ours.at


def _told(alert: Alert, theirs: Decision) -> Decision | None:
    """Return ``theirs`` as ``alert`` has told it, if its present episode was."""
    count, episode = alert.counts.get(theirs.kind, 0), alert.episode
    if not (alert.firing and alert.told and count) or episode is None:
        return None
    identity = notification_id(theirs.device, theirs.rule, episode, theirs.kind, count - 1)
    return msgspec.structs.replace(theirs, id=identity, episode=episode)


def _answered(pending: Pending, stream: str, sim: Sim) -> tuple[Pending, list[Outcome]]:
    """Return ``pending`` without the claim that ``sim`` answers, and the record that says so."""
    notification = sim.notification  # of a claim that is not open any more: as the device has it
    still_open: list[Open] = []
    for claim in pending.open:
        if claim.claimed == sim.notification:
            notification = claim.notification
        else:
            still_open.append(claim)
    answered = Answered(
        id=handover_id("answered", sim, stream, notification),
        device=sim.device,
        notification=notification,
        outcomes=sim.outcomes,
        reason=sim.reason,
    )
    return msgspec.structs.replace(pending, open=tuple(still_open)), [answered]


def _holds(state: State, decision: Decision) -> bool:
    """Return whether the episode that ``decision`` tells of is still firing."""
    alert = state.alerts.get(decision.rule, CLEAR)
    told = decision.kind is Kind.FIRED or decision.kind is Kind.REPEATED
    return told and alert.firing and alert.episode == decision.episode
