"""What the core decided. Topic ``notifications``, keyed by device."""

from collections.abc import Iterable
from enum import StrEnum

from schemas.record import Count, Instant, Name, Record

Fact = bool | float | str | tuple[str, ...] | None


class Severity(StrEnum):
    """How much it matters: ``critical`` repeats and passes quiet hours by default."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


def worst(severities: Iterable[Severity]) -> Severity:
    """Return the highest of ``severities``, at least one."""
    return max(severities, key=list(Severity).index)


class Kind(StrEnum):
    """What became of an episode. Only ``fired``, ``repeated`` and ``resolved`` are told."""

    FIRED = "fired"
    REPEATED = "repeated"
    RESOLVED = "resolved"
    SUPPRESSED = "suppressed"
    SUPPRESSED_RESOLVED = "suppressed_resolved"

    __hash__ = str.__hash__  # an enum's own is five times as slow


BEGAN = frozenset({Kind.FIRED, Kind.REPEATED})  # told of what lasts


class Decision(Record, frozen=True, kw_only=True, tag="decision"):
    """One decision; its encoding is the line ``decide`` prints and the value on the topic.

    core: the version of the semantics that decided.
    id: 32 hex digits derived from device, rule, episode, kind and ordinal.
    at: when it took effect. episode: when the condition became true.
    suppressed: episodes not told since the last one that was.
    cause: the context and the fields the rule names, as the episode began; None is unknown.
    """

    core: int
    id: Name
    device: Name
    rule: Name
    kind: Kind
    at: Instant
    episode: Instant
    suppressed: Count
    severity: Severity
    stream: Name
    cause: dict[str, Fact]
