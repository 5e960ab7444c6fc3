"""One alert: one rule on one device. Pure.

    clear ──true──► pending ──true throughout ``for``──► firing ──false──► clearing
      ▲                │ false before (a flicker)          ▲                 │  │
      ├────────────────┘                                   └─────true────────┘  │
      └──────────────────────── false throughout ``clear_for`` ◄────────────────┘

Deadlines act at their own instant, whichever event revealed it: a replay is exact. A hold is
inclusive: a deadline at an event's instant acts before the event, and once more after it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from schemas.decision import Fact, Kind
from schemas.record import MICROSECOND
from tables.rules import Rule

NO_TIME = timedelta()


class Step(StrEnum):
    """What changes an alert without being a decision."""

    BREACHED = "breached"  # the condition became true: an episode begins
    FLICKERED = "flickered"  # false again before the hold was over
    SUBSIDED = "subsided"  # false while firing
    RETURNED = "returned"  # true again before it was resolved
    PASSED = "passed"  # a pulse is over


# By name, because an enum takes ten times as long to find them.
BREACHED, FLICKERED, SUBSIDED, RETURNED, PASSED = Step
FIRED, REPEATED, RESOLVED, SUPPRESSED, SUPPRESSED_RESOLVED = Kind


class Change(msgspec.Struct, frozen=True, gc=False):
    """One step or decision, and when it took effect."""

    kind: Step | Kind
    at: datetime


class Alert(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True, gc=False):
    """The state of one alert.

    since: when its episode began; None is clear.
    named: the instant that names it, where the clock was set since.
    clearing: when the condition went false while firing.
    told: whether anybody was told of this episode.
    rearm_at: no other message before; None if there was none.
    suppressed: episodes not told since the last one that was.
    last: when the newest episode began. counts: decisions by kind for that instant.
    cause: the facts as the episode began.
    """

    since: datetime | None = None
    firing: bool = False
    clearing: datetime | None = None
    told: bool = False
    rearm_at: datetime | None = None
    suppressed: int = 0
    last: datetime | None = None
    counts: dict[Kind, int] = {}
    cause: dict[str, Fact] = {}
    named: datetime | None = None

    @property
    def episode(self) -> datetime | None:
        """Return the instant that names the episode; None is clear."""
        return self.named or self.since

    @property
    def breached(self) -> bool:
        """Return the condition as it was last seen."""
        return self.since is not None and self.clearing is None

    @property
    def idle_from(self) -> datetime | None:
        """Return when nothing of it matters any more; None is never. It must be clear."""
        if self.suppressed or self.last is None:
            return None
        named_until = self.last + MICROSECOND  # an episode of that very instant counts on
        return named_until if self.rearm_at is None else max(self.rearm_at, named_until)

    def idle(self, at: datetime) -> bool:
        """Return whether nothing of it matters any more once the time is ``at``."""
        if self.since is not None:
            return False
        return self == CLEAR or ((due := self.idle_from) is not None and due <= at)


CLEAR = Alert()


def decide(rule: Rule, alert: Alert, at: datetime, *, breached: bool | None) -> Iterator[Change]:
    """Yield what an observation at ``at`` changes, oldest first; mostly nothing.

    breached: the condition now, or None if it is as it was (only time has passed).
    at: not before any earlier observation.
    """
    for change in elapse(rule, alert, at):
        alert = evolve(rule, alert, change)
        yield change
    if breached is None:
        return
    for change in _observe(rule, alert, at, breached):
        alert = evolve(rule, alert, change)
        yield change
    yield from elapse(rule, alert, at, floor=at)


def elapse(
    rule: Rule, alert: Alert, until: datetime, floor: datetime | None = None
) -> Iterator[Change]:
    """Yield what the deadlines up to and including ``until`` change.

    floor: none of them can have acted before it, because it is what made them possible.
    """
    while (due := deadline(rule, alert)) is not None and due <= until:
        at = due if floor is None else max(due, floor)
        change = Change(_due(rule, alert, at), at)
        alert = evolve(rule, alert, change)
        yield change


def deadline(rule: Rule, alert: Alert) -> datetime | None:
    """Return when time alone will change ``alert``, or None if it never will."""
    if alert.since is None:
        return None
    if not alert.firing:
        return alert.since + rule.for_
    if alert.clearing is not None:
        return alert.clearing + rule.clear_for
    return alert.rearm_at if not alert.told or rule.repeats else None


def ended(alert: Alert, at: datetime) -> Iterator[Change]:
    """Yield what the end of its rule at ``at`` changes: an episode that fired is resolved."""
    if alert.firing:
        yield Change(_end(alert), at)
    elif alert.since is not None:
        yield Change(FLICKERED, at)


def _end(alert: Alert) -> Kind:
    return RESOLVED if alert.told else SUPPRESSED_RESOLVED


def _due(rule: Rule, alert: Alert, at: datetime) -> Kind:
    if not alert.firing:
        return _armed(alert, at)
    if alert.clearing is not None:
        return _end(alert)
    return REPEATED if alert.told else FIRED


def _armed(alert: Alert, at: datetime) -> Kind:
    return FIRED if alert.rearm_at is None or at >= alert.rearm_at else SUPPRESSED


def _observe(rule: Rule, alert: Alert, at: datetime, breached: bool) -> Iterator[Change]:
    if rule.pulse:
        if breached:
            yield Change(BREACHED, at)
            yield Change(_armed(alert, at), at)
            yield Change(PASSED, at)
    elif breached != alert.breached:
        if breached:
            yield Change(BREACHED if alert.since is None else RETURNED, at)
        else:
            yield Change(SUBSIDED if alert.firing else FLICKERED, at)


def evolve(rule: Rule, alert: Alert, change: Change) -> Alert:
    """Return ``alert`` after ``change``. Cannot fail: it already happened."""
    replace, kind = msgspec.structs.replace, change.kind
    if isinstance(kind, Kind):
        return _decided(rule, alert, kind, change.at)
    if kind is BREACHED:
        counts = alert.counts if alert.last == change.at else {}
        return replace(alert, since=change.at, last=change.at, counts=counts, told=False)
    if kind is SUBSIDED:
        return replace(alert, clearing=change.at)
    if kind is RETURNED:
        return replace(alert, clearing=None)
    return replace(alert, since=None, firing=False, cause={}, named=None)


def _decided(rule: Rule, alert: Alert, kind: Kind, at: datetime) -> Alert:
    replace = msgspec.structs.replace
    counts = alert.counts | {kind: alert.counts.get(kind, 0) + 1}
    if kind is FIRED or kind is REPEATED:
        rearm_at = at + rule.reset
        return replace(
            alert, firing=True, told=True, rearm_at=rearm_at, suppressed=0, counts=counts
        )
    if kind is SUPPRESSED:
        return replace(alert, firing=True, suppressed=alert.suppressed + 1, counts=counts)
    return replace(
        alert, since=None, firing=False, clearing=None, counts=counts, cause={}, named=None
    )


def claimed(rule: Rule, alert: Alert, kind: Kind, at: datetime) -> Alert:
    """Return ``alert`` once its device has told of it itself, as of ``at``.

    What it told of an episode before the present one says nothing of this one.
    """
    if not alert.firing or alert.told or not (kind is FIRED or kind is REPEATED):
        return alert
    if alert.episode is None or alert.episode > at:
        return alert
    rearm_at = at + rule.reset if alert.rearm_at is None else max(alert.rearm_at, at + rule.reset)
    return msgspec.structs.replace(alert, told=True, rearm_at=rearm_at, suppressed=0)


def moved(rule: Rule, alert: Alert, since: datetime, by: timedelta) -> Alert:
    """Return ``alert`` with its instants that were set at ``since`` or later moved ``by``.

    The episode keeps the instant that names it.
    """

    def move(instant: datetime | None, set_after: timedelta = NO_TIME) -> datetime | None:
        return instant if instant is None or instant - set_after < since else instant + by

    return msgspec.structs.replace(
        alert,
        since=move(alert.since),
        clearing=move(alert.clearing),
        rearm_at=move(alert.rearm_at, rule.reset),
        named=alert.episode,
    )
