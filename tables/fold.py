"""All alerts of one device on one stream: events in, decisions out. Pure.

A stream is decided on its own: what its rules need is in its events, so no decision depends on how
two topics happened to interleave. A tick changes nothing but time.
"""

import hashlib
from datetime import UTC, datetime

import msgspec

from schemas.decision import Decision, Kind
from schemas.events import Clock, Event, Reading, Source, Tick, Transition
from schemas.record import microseconds
from tables import energy as energy_machine
from tables.alert import CLEAR, Alert, Change, Step, decide, evolve, moved
from tables.condition import CONTEXT_FIELDS, Test, Value, compiled
from tables.energy import Energy
from tables.rules import Rule

CORE = 1  # the version of these semantics: whoever changes them adds one and keeps the old fold


class Facts(msgspec.Struct, frozen=True, array_like=True):
    """What conditions see: the context and what the stream has accumulated. None is unknown.

    named: the sources that some event has named, for ``needs``.
    """

    source: Source | None = None
    in_window: bool | None = None
    due: tuple[Source, ...] | None = None
    online: bool | None = None
    named: tuple[Source, ...] = ()
    energy: Energy | None = None

    def value(self, field: str) -> Value:
        """Return the value of a condition's field."""
        if field in ENERGY_FIELDS:
            value: Value = getattr(self.energy, field, None)
        else:
            value = getattr(self, field)
        return value


ENERGY_FIELDS = frozenset((*Energy.__struct_fields__, "drained_wh"))


class State(msgspec.Struct, frozen=True, array_like=True):
    """One device on one stream.

    at: the state's time; it never goes back. alerts: by rule, only those that are not idle.
    flickers: how often a condition was true for less than its hold.
    """

    at: datetime | None = None
    facts: Facts = Facts()
    alerts: dict[str, Alert] = {}
    flickers: int = 0


class Watch(msgspec.Struct, frozen=True):
    """A rule with its conditions made ready."""

    rule: Rule
    when: Test
    clear_when: Test | None
    cause: tuple[str, ...]

    def signal(self, facts: Facts) -> bool | None:
        """Return whether the condition holds; None if it is as it was."""
        if self.rule.needs is not None and self.rule.needs not in facts.named:
            return None
        verdict = self.when(facts.value)
        if self.clear_when is None or verdict:
            return verdict
        return False if self.clear_when(facts.value) else None


class Policy(msgspec.Struct, frozen=True):
    """The rules in force for a device on one stream, ordered by name, ready to decide."""

    stream: str
    watches: tuple[Watch, ...]


class Policies:
    """The policies of all devices on one stream."""

    def __init__(self, rules: tuple[Rule, ...], stream: str) -> None:
        """Make ready those of ``rules`` that are for ``stream``."""
        self._stream = stream
        self._rules = tuple(rule for rule in rules if rule.stream == stream)
        alike = all(rule.devices == ("*",) and not rule.override for rule in self._rules)
        self._common = _policy(stream, self._rules) if alike else None
        self._of: dict[str, Policy] = {}

    def of(self, device: str) -> Policy:
        """Return the policy of ``device``; the same object each time."""
        if self._common is not None:
            return self._common
        if device not in self._of:
            rules = tuple(rule.for_device(device) for rule in self._rules if rule.names(device))
            self._of[device] = _policy(self._stream, rules)
        return self._of[device]


def _policy(stream: str, rules: tuple[Rule, ...]) -> Policy:
    watches = (_watch(rule) for rule in sorted(rules, key=lambda rule: rule.name))
    return Policy(stream, tuple(watches))


def _watch(rule: Rule) -> Watch:
    clear_when = None if rule.clear_when is None else compiled(rule.clear_when)
    cause = sorted({*CONTEXT_FIELDS, *rule.when.fields()})
    return Watch(rule, compiled(rule.when), clear_when, tuple(cause))


def fold(policy: Policy, state: State, event: Event) -> tuple[State, list[Decision]]:
    """Return the state after ``event`` and the decisions it reveals.

    They are ordered by instant, then rule name, then order of deciding.
    """
    if type(event) is Clock:
        state, decisions = _elapsed(policy, state, event.device, event.was.astimezone(UTC), None)
        return _clock_set(policy, state, event), decisions
    at = event.ts if event.ts.tzinfo is UTC else event.ts.astimezone(UTC)
    facts = None
    if type(event) is not Tick:
        facts = observe(state.facts, policy.stream, event)
    elif not state.alerts:  # most events: time passes, and nothing waits for it
        at = at if state.at is None or at > state.at else state.at
        return State(at, state.facts, state.alerts, state.flickers), []
    return _elapsed(policy, state, event.device, at, facts)


def _elapsed(
    policy: Policy, state: State, device: str, at: datetime, observed: Facts | None
) -> tuple[State, list[Decision]]:
    if state.at is not None and state.at > at:
        at = state.at
    facts = state.facts if observed is None else observed
    alerts, flickers = state.alerts, state.flickers
    decisions: list[Decision] = []
    for watch in policy.watches:
        name = watch.rule.name
        before = alerts.get(name, CLEAR)
        signal = None if observed is None else watch.signal(facts)
        if before is CLEAR and not signal:
            continue
        after = before
        for change in decide(watch.rule, before, at, breached=signal):
            if isinstance(change.kind, Kind):
                decisions.append(_decision(device, policy.stream, watch.rule, after, change))
            after = evolve(watch.rule, after, change)
            if change.kind is Step.BREACHED:
                cause = {field: facts.value(field) for field in watch.cause}
                after = msgspec.structs.replace(after, cause=cause)
            flickers += change.kind is Step.FLICKERED
        if after.idle(at):
            alerts = {rule: each for rule, each in alerts.items() if rule != name}
        elif after is not before:
            alerts = {**alerts, name: after}
    if len(decisions) > 1:
        decisions.sort(key=lambda decision: (decision.at, decision.rule))
    return State(at, facts, alerts, flickers), decisions


def _clock_set(policy: Policy, state: State, clock: Clock) -> State:
    """Return ``state`` at the right time, with what the wrong clock stamped moved along."""
    since, by = clock.from_.astimezone(UTC), clock.is_ - clock.was
    rules = {watch.rule.name: watch.rule for watch in policy.watches}
    alerts = {
        name: moved(rules[name], alert, since, by) if name in rules else alert
        for name, alert in state.alerts.items()
    }
    at = None if state.at is None else state.at + by
    return msgspec.structs.replace(state, at=at, alerts=alerts)


def observe(facts: Facts, stream: str, event: Event) -> Facts:
    """Return ``facts`` after an event that is not a tick; what it lacks keeps its last value."""
    known = event.source is not None
    source = event.source if known else facts.source
    named = facts.named
    if isinstance(event, Transition):
        named = _with(_with(named, event.from_), event.to)
    elif source is not None:
        named = _with(named, source)
    energy = facts.energy
    if stream == "probes":
        reading = event if isinstance(event, Reading) else None
        energy = energy_machine.evolve(energy or Energy(), facts.source, source, reading)
    return Facts(
        source,
        event.in_window if known else facts.in_window,
        event.due,
        facts.online if event.online is None else event.online,
        named,
        energy,
    )


def _with(named: tuple[Source, ...], source: Source) -> tuple[Source, ...]:
    return named if source in named else (*named, source)


def _decision(device: str, stream: str, rule: Rule, alert: Alert, change: Change) -> Decision:
    kind = Kind(change.kind)
    episode = alert.episode or change.at
    ordinal = alert.counts.get(kind, 0)
    return Decision(
        core=CORE,
        id=notification_id(device, rule.name, episode, kind, ordinal),
        device=device,
        rule=rule.name,
        kind=kind,
        at=change.at,
        episode=episode,
        suppressed=alert.suppressed + (kind is Kind.SUPPRESSED),
        severity=rule.severity,
        stream=stream,
        cause=alert.cause,
    )


def notification_id(device: str, rule: str, episode: datetime, kind: Kind, ordinal: int) -> str:
    """Return 32 hex digits that name a decision, the same wherever and whenever it is made.

    ordinal: how many of that kind there were before for that rule and instant.
    """
    parts = (device, rule, str(microseconds(episode)), kind, str(ordinal))
    return hashlib.sha256("\x1f".join(parts).encode()).digest()[:16].hex()
