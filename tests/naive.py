"""The decisions of design §5 a second time, in the plainest way: the judge of the real core.

Nothing is folded event by event. The whole stream becomes a list of looks, each rule's looks become
the spells in which its signal was true, spells become episodes, and an episode's instants are sums:

    looks ──► spells of truth [begin, end] ──► episodes [begin, fire, …, over] ──► decisions

Both ends of a spell belong to it: a deadline at an event's instant acts before the event.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from schemas.decision import Decision, Fact, Kind
from schemas.events import EnergyEvent, Reading, Source, SupplyEvent, Tick, Transition
from schemas.record import EPOCH
from tables.condition import Condition
from tables.rules import Rule

NEVER = datetime.min.replace(tzinfo=UTC)


class Facts(NamedTuple):
    """What is known after an event; None is unknown, save ``in_window`` of a known source."""

    source: str | None = None
    in_window: bool | None = None
    due: tuple[str, ...] | None = None
    online: bool | None = None
    power_w: float | None = None
    energy_wh: float | None = None
    battery_v: float | None = None
    soc_pct: float | None = None
    drained_wh: float | None = None


class Look(NamedTuple):
    """One event that is not a tick: when it acts, what is known after it, the sources it names."""

    at: datetime
    facts: Facts
    named: tuple[str, ...]


class Spell(NamedTuple):
    """The signal was true from ``begin`` to ``end``; None is: still is."""

    begin: datetime
    end: datetime | None
    facts: Facts


class Episode(NamedTuple):
    """It fired at ``fire``. active: when it was firing and not clearing. over: when resolved."""

    begin: datetime
    fire: datetime
    active: tuple[tuple[datetime, datetime], ...]
    over: datetime | None
    facts: Facts


class Saying(NamedTuple):
    """A decision before it has an identity."""

    kind: Kind
    at: datetime
    episode: datetime
    suppressed: int
    facts: Facts


def decisions(
    rules: tuple[Rule, ...],
    device: str,
    stream: str,
    events: Sequence[SupplyEvent | EnergyEvent],
) -> list[Decision]:
    """Return all decisions of ``stream``, sorted by instant, rule, order of deciding."""
    if not events:
        return []
    now = max(event.ts for event in events)
    looks = list(_looks(events))
    found = list[Decision]()
    for rule in (rule.for_device(device) for rule in rules):
        if rule.stream == stream and rule.names(device):
            said = _pulses(rule, looks) if rule.pulse else _sayings(rule, looks, now)
            found += _signed(rule, device, said)
    return sorted(found, key=lambda decision: (decision.at, decision.rule))


def _looks(events: Sequence[SupplyEvent | EnergyEvent]) -> Iterator[Look]:
    facts, at = Facts(), events[0].ts
    for event in events:
        at = max(at, event.ts)
        if not isinstance(event, Tick):
            facts = _after(facts, event)
            yield Look(at, facts, _named(event))


def _named(event: SupplyEvent | EnergyEvent) -> tuple[str, ...]:
    names = [event.source]
    if isinstance(event, Transition):
        names += [event.from_, event.to]
    return tuple(str(name) for name in names if name is not None)


def _after(before: Facts, event: SupplyEvent | EnergyEvent) -> Facts:
    source, in_window = before.source, before.in_window
    if event.source is not None:
        source, in_window = str(event.source), event.in_window
    facts = before._replace(
        source=source,
        in_window=in_window,
        due=tuple(str(each) for each in event.due),
        online=before.online if event.online is None else event.online,
    )
    if isinstance(event, Reading):
        facts = facts._replace(
            power_w=float(event.power_w),
            energy_wh=float(event.energy_wh),
            battery_v=before.battery_v if event.battery_v is None else float(event.battery_v),
            soc_pct=before.soc_pct if event.soc_pct is None else float(event.soc_pct),
        )
    if source is None:
        return facts
    if source != Source.INVERTER:
        return facts._replace(power_w=0.0, drained_wh=0.0)
    return facts._replace(drained_wh=_drained_mwh(before, event) / 1000)


def _drained_mwh(before: Facts, event: SupplyEvent | EnergyEvent) -> int:
    so_far = 0
    if before.source == Source.INVERTER and before.drained_wh is not None:
        so_far = round(before.drained_wh * 1000)
    return so_far + (round(event.energy_wh * 1000) if isinstance(event, Reading) else 0)


def _holds(condition: Condition, facts: Facts) -> bool | None:
    """Return whether ``condition`` holds; None when that is not known."""
    if condition.all is not None:
        verdicts = [_holds(part, facts) for part in condition.all]
        if False in verdicts:
            return False
        return None if None in verdicts else True
    if condition.any is not None:
        verdicts = [_holds(part, facts) for part in condition.any]
        if True in verdicts:
            return True
        return None if None in verdicts else False
    return _compares(condition, facts)


def _compares(condition: Condition, facts: Facts) -> bool | None:
    value = getattr(facts, str(condition.field))
    known = facts.source is not None if condition.field == "in_window" else value is not None
    if not known:
        return None
    answers = [
        condition.equals is not None and value == condition.equals,
        condition.not_equals is not None and value != condition.not_equals,
        condition.in_ is not None and value in condition.in_,
        condition.contains is not None and condition.contains in value,
        condition.above is not None and value > condition.above,
        condition.below is not None and value < condition.below,
    ]
    return any(answers)  # a condition has exactly one operator


def _heeded(rule: Rule, looks: list[Look]) -> list[Look]:
    """Return the looks from the first on that names what the rule needs."""
    if rule.needs is None:
        return looks
    met = (index for index, look in enumerate(looks) if rule.needs in look.named)
    return looks[next(met, len(looks)) :]


def _signal(rule: Rule, looks: list[Look]) -> Iterator[tuple[Look, bool]]:
    signal = False
    for look in _heeded(rule, looks):
        when = _holds(rule.when, look.facts)
        if rule.clear_when is None:
            cleared = when is False
        else:
            cleared = _holds(rule.clear_when, look.facts) is True
        if when is True:
            signal = True
        elif cleared:
            signal = False
        yield look, signal


def _spells(rule: Rule, looks: list[Look]) -> list[Spell]:
    spells, before = list[Spell](), False
    for look, signal in _signal(rule, looks):
        if signal and not before:
            spells.append(Spell(look.at, None, look.facts))
        if before and not signal:
            spells[-1] = spells[-1]._replace(end=look.at)
        before = signal
    return spells


def _episodes(rule: Rule, spells: list[Spell], now: datetime) -> Iterator[Episode]:
    """Yield the episodes that fired by ``now``, oldest first."""
    first = 0
    while first < len(spells):
        fire = spells[first].begin + rule.for_
        after = first + 1
        if fire <= _by(spells[first].end, now):
            while after < len(spells) and _goes_on(spells[after - 1], spells[after], rule):
                after += 1
            yield _episode(spells[first:after], fire, rule.clear_for, now)
        first = after


def _goes_on(spell: Spell, following: Spell, rule: Rule) -> bool:
    """Return whether the signal came back before it had been gone for ``clear_for``."""
    return spell.end is not None and following.begin < spell.end + rule.clear_for


def _episode(spells: list[Spell], fire: datetime, clear_for: timedelta, now: datetime) -> Episode:
    active = [(spell.begin, _by(spell.end, now)) for spell in spells]
    active[0] = (fire, active[0][1])
    last = spells[-1].end
    over = last + clear_for if last is not None and last + clear_for <= now else None
    return Episode(spells[0].begin, fire, tuple(active), over, spells[0].facts)


def _by(end: datetime | None, now: datetime) -> datetime:
    return now if end is None else end


def _sayings(rule: Rule, looks: list[Look], now: datetime) -> Iterator[Saying]:
    rearm_at, suppressed = NEVER, 0
    for begin, fire, active, over, facts in _episodes(rule, _spells(rule, looks), now):
        told = fire >= rearm_at
        if told:
            yield Saying(Kind.FIRED, fire, begin, suppressed, facts)
            rearm_at, suppressed = fire + rule.reset, 0
        else:
            suppressed += 1
            yield Saying(Kind.SUPPRESSED, fire, begin, suppressed, facts)
        for start, end in active:
            while max(rearm_at, start) <= end and (rule.repeats or not told):
                at = max(rearm_at, start)
                yield Saying(Kind.REPEATED if told else Kind.FIRED, at, begin, suppressed, facts)
                told, rearm_at, suppressed = True, at + rule.reset, 0
        if over is not None:
            kind = Kind.RESOLVED if told else Kind.SUPPRESSED_RESOLVED
            yield Saying(kind, over, begin, suppressed, facts)


def _pulses(rule: Rule, looks: list[Look]) -> Iterator[Saying]:
    rearm_at, suppressed = NEVER, 0
    for at, facts, _ in _heeded(rule, looks):
        if _holds(rule.when, facts) is not True:
            continue
        if at >= rearm_at:
            yield Saying(Kind.FIRED, at, at, suppressed, facts)
            rearm_at, suppressed = at + rule.reset, 0
        else:
            suppressed += 1
            yield Saying(Kind.SUPPRESSED, at, at, suppressed, facts)


def _signed(rule: Rule, device: str, sayings: Iterable[Saying]) -> Iterator[Decision]:
    earlier = Counter[tuple[datetime, Kind]]()
    for kind, at, episode, suppressed, facts in sayings:
        began_us = (episode - EPOCH) // timedelta(microseconds=1)
        named = "\x1f".join(
            (device, rule.name, str(began_us), kind.value, str(earlier[episode, kind]))
        )
        earlier[episode, kind] += 1
        yield Decision(
            core=1,
            id=hashlib.sha256(named.encode("utf-8")).hexdigest()[:32],
            device=device,
            rule=rule.name,
            kind=kind,
            at=at,
            episode=episode,
            suppressed=suppressed,
            severity=rule.severity,
            stream=rule.stream,
            cause=_cause(rule, facts),
        )


def _cause(rule: Rule, facts: Facts) -> dict[str, Fact]:
    fields = {"source", "in_window", "due", *rule.when.fields()}
    return {field: getattr(facts, field) for field in sorted(fields)}
