"""All alerts of one device on one stream: events in, decisions out. Pure.

A stream is decided on its own: what its rules need is in its events, so no decision depends on how
two topics happened to interleave. A tick changes nothing but time.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from schemas.decision import Decision, Kind
from schemas.events import Clock, Event, Reading, Source, Tick, Transition
from schemas.record import MICROSECOND, derived_id, microseconds
from tables import energy as energy_machine
from tables.alert import CLEAR, Alert, Change, Step, deadline, decide, elapse, ended, evolve, moved
from tables.condition import CAUSES, PATHS, Test, Value, compiled, getter
from tables.energy import Energy
from tables.rules import Rule

CORE = 1  # the version of these semantics: whoever changes them adds one and keeps the old fold
RULE_CHANGED = "rule_changed"  # in the cause of an episode that ends because its rule did
REMEMBERED = 4_096  # contexts of which a policy knows the signals; a device lives in a few
Signals = tuple[bool | None, ...]


class Presence(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the servers noticed. heard: when it was heard last, as text.

    missing, rolled_back, lost_on: what was lost on which stream, at the event that says so.
    """

    silent: bool
    heard: str | None
    missing: int = 0
    rolled_back: bool = False
    lost_on: str | None = None


class Facts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What conditions see: the context and what the stream has accumulated. None is unknown.

    named: the sources that some event has named, for ``needs``.
    """

    source: Source | None = None
    in_window: bool | None = None
    due: tuple[Source, ...] | None = None
    online: bool | None = None
    named: tuple[Source, ...] = ()
    energy: Energy | None = None
    presence: Presence | None = None


UNKNOWN = Facts()
NO_ENERGY = Energy()


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


class Watch(msgspec.Struct, frozen=True):
    """A rule made ready.

    signal: returns whether its condition holds; None if it is as it was.
    cause: the facts that a decision tells, by name.
    """

    name: str
    rule: Rule
    signal: Test
    cause: tuple[tuple[str, Callable[[Facts], Value]], ...]


class Policy:
    """The rules in force for a device on one stream, ordered by name, ready to decide.

    signals: returns what each rule's condition says of the facts. quiet: what a tick says.
    """

    def __init__(self, stream: str, rules: tuple[Rule, ...]) -> None:
        """Make ready ``rules``, all of which are for ``stream`` and the same device."""
        self.stream = stream
        self.watches = tuple(_watch(rule) for rule in sorted(rules, key=lambda rule: rule.name))
        self.rules = {watch.rule.name: watch.rule for watch in self.watches}
        self.quiet: Signals = (None,) * len(self.watches)
        self._tests = tuple(watch.signal for watch in self.watches)
        read = {field for watch in self.watches for field, _ in watch.cause}
        # Contexts are few and return; readings hardly do.
        self.signals: Callable[[Facts], Signals] = (
            self._signals if read & PATHS.keys() else lru_cache(REMEMBERED)(self._signals)
        )

    def _signals(self, facts: Facts) -> Signals:
        return tuple([test(facts) for test in self._tests])


class Policies:
    """The policies of all devices on one stream under one set of rules."""

    def __init__(self, rules: tuple[Rule, ...], stream: str) -> None:
        """Make ready those of ``rules`` that are for ``stream``."""
        self._stream = stream
        self._rules = tuple(rule for rule in rules if rule.stream == stream)
        alike = all(rule.devices == ("*",) and not rule.override for rule in self._rules)
        self._common = Policy(stream, self._rules) if alike else None
        self._of: dict[str, Policy] = {}

    def of(self, device: str) -> Policy:
        """Return the policy of ``device``; the same object each time."""
        if self._common is not None:
            return self._common
        if device not in self._of:
            rules = tuple(rule.for_device(device) for rule in self._rules if rule.names(device))
            self._of[device] = Policy(self._stream, rules)
        return self._of[device]


def _watch(rule: Rule) -> Watch:
    cause = sorted({*CAUSES[rule.stream], *rule.when.fields()})
    return Watch(rule.name, rule, _signal(rule), tuple((field, getter(field)) for field in cause))


def _signal(rule: Rule) -> Test:
    when, needs = compiled(rule.when), rule.needs
    clear_when = None if rule.clear_when is None else compiled(rule.clear_when)
    if needs is None and clear_when is None:
        return when

    def signal(facts: Facts) -> bool | None:
        if needs is not None and needs not in facts.named:
            return None
        verdict = when(facts)
        if clear_when is None or verdict:
            return verdict
        return False if clear_when(facts) else None

    return signal


def acts_at(state: State, instant: datetime) -> datetime:
    """Return when what happened at ``instant`` acts, in UTC: time never goes back."""
    at = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    return at if state.at is None or at > state.at else state.at


def fold(policy: Policy, state: State, event: Event) -> tuple[State, list[Decision]]:
    """Return the state after ``event`` and the decisions it reveals.

    They are ordered by instant, then rule name, then order of deciding.
    """
    if type(event) is Clock:
        at = acts_at(state, event.was)
        state, decisions = advance(policy, state, event.device, at, None)
        return _clock_set(policy, state, event, at), decisions
    at = acts_at(state, event.ts)
    if type(event) is not Tick:
        facts = observe(state.facts, policy.stream, event)
        return advance(policy, state, event.device, at, facts)
    if state.wake is None or at < state.wake:  # most events: time passes, and nothing waits for it
        return State(at, state.facts, state.alerts, state.flickers, state.wake, state.set_back), []
    return advance(policy, state, event.device, at, None)


def advance(
    policy: Policy, state: State, device: str, at: datetime, observed: Facts | None
) -> tuple[State, list[Decision]]:
    """Return the state once its time is ``at``, and the decisions that this reveals.

    observed: the facts as they are there; None if only time has passed.
    """
    if observed is None:
        return _walked(policy, state, device, at, state.facts, policy.quiet)
    signals, alerts = policy.signals(observed), state.alerts
    if alerts:
        still = (state.wake is None or at < state.wake) and not _changed(policy, alerts, signals)
    else:
        still = True not in signals
    if still:
        return State(at, observed, alerts, state.flickers, state.wake, state.set_back), []
    return _walked(policy, state, device, at, observed, signals)


def _changed(policy: Policy, alerts: dict[str, Alert], signals: Signals) -> bool:
    for watch, signal in zip(policy.watches, signals, strict=True):
        if signal is not None:
            alert = alerts.get(watch.name)
            if signal != (alert is not None and alert.since is not None and alert.clearing is None):
                return True
    return False


def _walked(
    policy: Policy, state: State, device: str, at: datetime, facts: Facts, signals: Signals
) -> tuple[State, list[Decision]]:
    alerts, flickers = dict(state.alerts), state.flickers
    decisions: list[Decision] = []
    for watch, signal in zip(policy.watches, signals, strict=True):
        rule = watch.rule
        alert = alerts.get(rule.name, CLEAR)
        if alert is CLEAR and not signal:
            continue
        for change in decide(rule, alert, at, breached=signal):
            if isinstance(change.kind, Kind):
                decisions.append(_decision(device, rule, alert, change))
            alert = evolve(rule, alert, change)
            if change.kind is Step.BREACHED:
                cause = {field: get(facts) for field, get in watch.cause}
                # An instant that comes twice names another episode the second time.
                named = change.at + state.set_back * MICROSECOND if state.set_back else None
                alert = msgspec.structs.replace(alert, cause=cause, named=named)
            flickers += change.kind is Step.FLICKERED
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
    alerts = {name: alert for name, alert in state.alerts.items() if not alert.idle(at)}
    wakes = [_wake(policy.rules.get(name), alert) for name, alert in alerts.items()]
    wake = min((each for each in wakes if each is not None), default=None)
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
    that have passed act at ``at``. A rule that is gone ends its episode there.
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
        rule = before if after is None else after
        if after is None:
            cause = alert.cause | {RULE_CHANGED: True}
            alert = msgspec.structs.replace(alert, cause=cause)
        changes = ended(alert, at) if after is None else elapse(rule, alert, at, floor=at)
        for change in changes:
            if isinstance(change.kind, Kind):
                changed.append(_decision(device, rule, alert, change))
            alert = evolve(rule, alert, change)
            flickers += change.kind is Step.FLICKERED
        alerts[name] = alert
    state = State(max(at, state.at or at), state.facts, alerts, flickers, None, state.set_back)
    return _settled(new, state), decisions + sorted(changed, key=_order)


def _clock_set(policy: Policy, state: State, clock: Clock, at: datetime) -> State:
    """Return ``state`` at the right time, with what the wrong clock stamped moved along."""
    since, by = clock.from_.astimezone(UTC), clock.is_ - clock.was
    alerts = {
        name: moved(policy.rules[name], alert, since, by) if name in policy.rules else alert
        for name, alert in state.alerts.items()
    }
    set_back = state.set_back + (clock.is_ < clock.was)
    return _settled(policy, State(at + by, state.facts, alerts, state.flickers, None, set_back))


def observe(facts: Facts, stream: str, event: Event) -> Facts:
    """Return ``facts`` after an event that is not a tick; what it lacks keeps its last value."""
    source, in_window, named = facts.source, facts.in_window, facts.named
    if event.source is not None:
        source, in_window = event.source, event.in_window
    if type(event) is Transition:
        named = _with(_with(named, event.from_), event.to)
    elif source is not None and source not in named:
        named = (*named, source)
    energy = facts.energy
    if stream == "probes":
        reading = event if type(event) is Reading else None
        energy = energy_machine.evolve(energy or NO_ENERGY, facts.source, source, reading)
    online = facts.online if event.online is None else event.online
    return Facts(source, in_window, event.due, online, named, energy)


def _with(named: tuple[Source, ...], source: Source) -> tuple[Source, ...]:
    return named if source in named else (*named, source)


def _decision(device: str, rule: Rule, alert: Alert, change: Change) -> Decision:
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
        stream=rule.stream,
        cause=alert.cause,
    )


def notification_id(device: str, rule: str, episode: datetime, kind: Kind, ordinal: int) -> str:
    """Return 32 hex digits that name a decision, the same wherever and whenever it is made.

    ordinal: how many of that kind there were before for that rule and instant.
    """
    return derived_id(device, rule, str(microseconds(episode)), kind, str(ordinal))
