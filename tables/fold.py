"""All alerts of one device on one stream: events in, decisions out. Pure.

A stream is decided on its own: what its rules need is in its events, so no decision depends on how
two topics happened to interleave. A tick changes nothing but time.
"""

from datetime import UTC, datetime

import msgspec

from schemas.decision import Decision, Kind
from schemas.events import Claim, Clock, Event, Sim, Tick
from schemas.events import Policy as PolicyEvent
from schemas.record import MICROSECOND, derived_id, microseconds
from tables.alert import (
    BREACHED,
    CLEAR,
    FLICKERED,
    SUPPRESSED,
    Alert,
    claimed,
    deadline,
    decide,
    elapse,
    ended,
    evolve,
    moved,
)
from tables.facts import UNKNOWN, Facts, observe
from tables.policy import Policy, Signals
from tables.rules import Rule

CORE = 1  # the version of these semantics: whoever changes them adds one and keeps the old fold
ABOUT = frozenset({Claim, Sim, PolicyEvent})  # they tell of the device's program, not of power
RULE_CHANGED = "rule_changed"  # in the cause of an episode that ends because its rule did


class State(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One device on one stream.

    at: the state's time; it never goes back. alerts: by rule, only those that are not idle.
    flickers: how often a condition was true for less than its hold.
    wake: before it, time alone changes no alert; None is never.
    set_back: how often the device's clock was.
    """

    at: datetime | None = None
    facts: Facts = UNKNOWN
    alerts: dict[str, Alert] = {}
    flickers: int = 0
    wake: datetime | None = None
    set_back: int = 0


def acts_at(state: State, instant: datetime) -> datetime:
    """Return when what happened at ``instant`` acts, in UTC: time never goes back."""
    at = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    before = state.at
    return at if before is None or at > before else before


def fold(policy: Policy, state: State, event: Event) -> tuple[State, list[Decision]]:
    """Return the state after ``event`` and the decisions it reveals.

    They are ordered by instant, then rule name, then order of deciding.
    """
    if type(event) is Tick:
        at, wake = acts_at(state, event.ts), state.wake
        if wake is None or at < wake:  # most events: time passes, and nothing waits for it
            return State(at, state.facts, state.alerts, state.flickers, wake, state.set_back), []
        return advance(policy, state, event.device, at, None)
    if type(event) is Clock:
        at = acts_at(state, event.was)
        state, decisions = advance(policy, state, event.device, at, None)
        return _clock_set(policy, state, event, at), decisions
    if type(event) in ABOUT:
        at = acts_at(state, event.ts)
        state, decisions = advance(policy, state, event.device, at, None)
        return _claimed(policy, state, event) if type(event) is Claim else state, decisions
    facts = observe(state.facts, policy.stream, event)
    return advance(policy, state, event.device, acts_at(state, event.ts), facts)


def advance(
    policy: Policy, state: State, device: str, at: datetime, observed: Facts | None
) -> tuple[State, list[Decision]]:
    """Return the state once its time is ``at``, and the decisions that this reveals.

    observed: the facts as they are there; None if only time has passed.
    """
    if observed is None:
        return _walked(policy, state, device, at, state.facts, policy.quiet)
    signals, alerts, wake = policy.signals(observed), state.alerts, state.wake
    if alerts:
        still = (wake is None or at < wake) and not _changed(policy, alerts, signals)
    else:
        still = True not in signals
    if still:
        return State(at, observed, alerts, state.flickers, wake, state.set_back), []
    return _walked(policy, state, device, at, observed, signals)


def _changed(policy: Policy, alerts: dict[str, Alert], signals: Signals) -> bool:
    """Return whether a signal is another than its alert last saw."""
    known = 0
    for name, alert in alerts.items():
        place = policy.places.get(name)
        if place is not None and (signal := signals[place]) is not None:
            if signal is not (alert.since is not None and alert.clearing is None):
                return True
            known += signal
    return signals.count(True) != known


def _walked(
    policy: Policy, state: State, device: str, at: datetime, facts: Facts, signals: Signals
) -> tuple[State, list[Decision]]:
    alerts, flickers = dict(state.alerts), state.flickers
    decisions: list[Decision] = []
    for watch, signal in zip(policy.watches, signals, strict=True):
        rule = watch.rule
        alert = alerts.get(rule.name, CLEAR)
        if alert is CLEAR:
            if not signal:
                continue
        elif signal is None or signal is alert.breached:
            due = deadline(rule, alert)
            if due is None or at < due:  # as it was, and nothing waits for this time
                continue
        for change in decide(rule, alert, at, breached=signal):
            if isinstance(change.kind, Kind):
                decisions.append(_decision(device, rule, alert, change.kind, change.at))
            alert = evolve(rule, alert, change)
            if change.kind is BREACHED:
                # An instant that comes twice names another episode the second time.
                named = change.at + state.set_back * MICROSECOND if state.set_back else None
                alert = msgspec.structs.replace(alert, cause=watch.cause(facts), named=named)
            flickers += change.kind is FLICKERED
        alerts[rule.name] = alert
    if len(decisions) > 1:
        decisions.sort(key=_order)
    return _settled(policy, State(at, facts, alerts, flickers, None, state.set_back)), decisions


def _order(decision: Decision) -> tuple[datetime, str]:
    return decision.at, decision.rule


def _settled(policy: Policy, state: State) -> State:
    """Return ``state`` without its idle alerts, and with the instant of its next deadline."""
    at = state.at
    if at is None:
        return state
    alerts: dict[str, Alert] = {}
    wake: datetime | None = None
    for name, alert in state.alerts.items():
        if not alert.idle(at):
            alerts[name] = alert
            wakes = _wake(policy.rules.get(name), alert)
            if wakes is not None and (wake is None or wakes < wake):
                wake = wakes
    return State(at, state.facts, alerts, state.flickers, wake, state.set_back)


def _wake(rule: Rule | None, alert: Alert) -> datetime | None:
    if alert.since is None:
        return alert.idle_from
    return None if rule is None else deadline(rule, alert)


def ruled(
    old: Policy, new: Policy, state: State, device: str, at: datetime
) -> tuple[State, list[Decision]]:
    """Return ``state`` once ``new`` rules are in force at ``at``, and the decisions on the way.

    Every earlier deadline acts under the old rules; then deadlines are computed anew, and those
    that have passed act at ``at``. A rule that is gone ends its episode there, as does one that has
    become a pulse, or no longer is one.
    """
    if state.at is None:
        return state, []
    decisions: list[Decision] = []
    if at > state.at:
        state, decisions = advance(old, state, device, at - MICROSECOND, None)
    alerts, flickers = dict(state.alerts), state.flickers
    changed: list[Decision] = []
    for name, held in state.alerts.items():
        alert = held
        before, after = old.rules.get(name), new.rules.get(name)
        if before is None or before == after:
            continue
        gone = after is None or after.pulse is not before.pulse
        rule = before if after is None or gone else after
        if gone:
            cause = alert.cause | {RULE_CHANGED: True}
            alert = msgspec.structs.replace(alert, cause=cause)
        changes = ended(alert, at) if gone else elapse(rule, alert, at, floor=at)
        for change in changes:
            if isinstance(change.kind, Kind):
                changed.append(_decision(device, rule, alert, change.kind, change.at))
            alert = evolve(rule, alert, change)
            flickers += change.kind is FLICKERED
        alerts[name] = alert
    state = State(max(at, state.at or at), state.facts, alerts, flickers, None, state.set_back)
    return _settled(new, state), decisions + sorted(changed, key=_order)


def _claimed(policy: Policy, state: State, claim: Claim) -> State:
    """Return ``state`` with the episode that the device told of marked as told."""
    decision, name = claim.decision, claim.decision.rule
    rule, alert = policy.rules.get(name), state.alerts.get(name)
    if rule is None or alert is None:
        return state
    after = claimed(rule, alert, decision.kind, decision.at)
    return _settled(policy, msgspec.structs.replace(state, alerts=state.alerts | {name: after}))


def _clock_set(policy: Policy, state: State, clock: Clock, at: datetime) -> State:
    """Return ``state`` at the right time, with what the wrong clock stamped moved along."""
    since, by = clock.from_.astimezone(UTC), clock.is_ - clock.was
    alerts = {
        name: moved(policy.rules[name], alert, since, by) if name in policy.rules else alert
        for name, alert in state.alerts.items()
    }
    set_back = state.set_back + (clock.is_ < clock.was)
    return _settled(policy, State(at + by, state.facts, alerts, state.flickers, None, set_back))


def _decision(device: str, rule: Rule, alert: Alert, kind: Kind, at: datetime) -> Decision:
    episode = alert.episode or at
    ordinal = alert.counts.get(kind, 0)
    return Decision(
        core=CORE,
        id=notification_id(device, rule.name, episode, kind, ordinal),
        device=device,
        rule=rule.name,
        kind=kind,
        at=at,
        episode=episode,
        suppressed=alert.suppressed + (kind is SUPPRESSED),
        severity=rule.severity,
        stream=rule.stream,
        cause=alert.cause,
    )


def notification_id(device: str, rule: str, episode: datetime, kind: Kind, ordinal: int) -> str:
    """Return 32 hex digits that name a decision, the same wherever and whenever it is made.

    ordinal: how many of that kind there were before for that rule and instant.
    """
    return derived_id(device, rule, str(microseconds(episode)), kind, str(ordinal))
