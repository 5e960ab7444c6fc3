"""What a device saw, each fact with the context that rules need.

Topics ``transitions``, ``probes``, ``windows``, ``active``; keyed by device, in order of ``seq``.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec

from schemas.decision import Decision
from schemas.record import MOST, Instant, Name, Record

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Volt = Annotated[float, msgspec.Meta(ge=0, le=1_000)]
Power = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]
Ordinal = Annotated[int, msgspec.Meta(ge=1, le=MOST)]
Numbers = Annotated[tuple[Name, ...], msgspec.Meta(max_length=20)]


class Source(StrEnum):
    """What can carry the load; ``none`` when nothing does."""

    GRID = "grid"
    GENERATOR = "generator"
    INVERTER = "inverter"
    SOLAR = "solar"
    NONE = "none"


class EdgeEvent(Record, frozen=True, kw_only=True):
    """One fact from one device.

    epoch: identity of the device's spool; a new one after a wiped disk.
    seq: 1, 2, 3 … per device, epoch and stream; a missing number is a loss.
    run: 32 random bits in hex, drawn at each start of the edge.
    ts: the device's time of the fact, UTC, whole microseconds.
    source: the active source; None before the first transition.
    in_window: whether the active source is inside its operating window; None if it has none.
    due: the sources whose window is open, sorted.
    online: the device's own view of its internet; None while nothing probes it.
    backlog: it stems from a line that stood in its log before the edge first opened it.
    drain_to: the newest ``seq`` of this stream in the spool when this was handed to the producer.
    """

    device: Name
    epoch: Name
    seq: Ordinal
    run: Name
    ts: Instant
    source: Source | None
    in_window: bool | None
    due: Annotated[tuple[Source, ...], msgspec.Meta(max_length=5)]
    online: bool | None
    backlog: Literal[True] | msgspec.UnsetType = msgspec.UNSET
    drain_to: Ordinal | msgspec.UnsetType = msgspec.UNSET

    @property
    def drained(self) -> bool:
        """Return whether nothing of its stream was left on the device behind it."""
        return self.drain_to is msgspec.UNSET or self.drain_to <= self.seq


class Tick(EdgeEvent, frozen=True, kw_only=True, tag="tick"):
    """Nothing happened, and it is now ``ts``."""


class Context(EdgeEvent, frozen=True, kw_only=True, tag="context"):
    """The context changed at ``ts``, and this stream has no event of its own to say so."""


class Clock(
    EdgeEvent, frozen=True, kw_only=True, tag="clock", rename={"is_": "is", "from_": "from"}
):
    """The device's clock was wrong and has been set: what it called ``was`` is ``is``.

    from_: the first instant, in the wrong clock's own count, that it stamped.
    """

    was: Instant
    is_: Instant
    from_: Instant


class Policy(EdgeEvent, frozen=True, kw_only=True, tag="policy"):
    """What the device decides by itself, from here on; the servers decide it alike.

    core: the version of the semantics it decides by. rules: of both streams, every key.
    """

    core: int
    rules: Annotated[tuple[dict[str, Any], ...], msgspec.Meta(max_length=100)]


class Claim(EdgeEvent, frozen=True, kw_only=True, tag="claim"):
    """The device is about to text ``decision`` to ``numbers``: the servers did not have it in time.

    possible_double: they may have it all the same, because an acknowledgement may have been lost.
    """

    decision: Decision
    numbers: Numbers
    possible_double: bool


class Texted(StrEnum):
    """What became of a text to one number; ``unknown``: it may have been sent."""

    SENT = "sent"
    UNKNOWN = "unknown"
    HANDED_BACK = "handed_back"


class Sim(EdgeEvent, frozen=True, kw_only=True, tag="sim"):
    """What became of a claim's texts, by number. notification: the id of the decision claimed."""

    notification: Name
    outcomes: Annotated[dict[Name, Texted], msgspec.Meta(max_length=20)]
    reason: str = ""


class LineEvent(EdgeEvent, frozen=True, kw_only=True):
    """A fact that stood in a log.

    line: its number in that log, from 1.
    extra: the keys that no rule reads, kept as written.
    future: its own time was ahead of the device's clock, so it counts at that.
    """

    line: Ordinal
    extra: dict[str, str] = msgspec.field(default_factory=dict)
    future: Literal[True] | msgspec.UnsetType = msgspec.UNSET


class Transition(LineEvent, frozen=True, kw_only=True, tag="transition", rename={"from_": "from"}):
    """The load moved from one source to another."""

    from_: Source
    to: Source


class Reading(LineEvent, frozen=True, kw_only=True, tag="reading"):
    """Energy drained from the inverter since the reading before, and the power now."""

    power_w: Power
    energy_wh: Power
    battery_v: Volt | None = None
    soc_pct: Percent | None = None


class Window(LineEvent, frozen=True, kw_only=True, tag="window", rename={"from_": "from"}):
    """A line of ``Op_window.log``: when source ``of`` is meant to run.

    days: the days on which it opens, as written, e.g. ``mon-fri,sun``.
    from_, to: local times ``HH:MM`` in ``tz``; ``to`` may be ``24:00``.
    """

    of: Source
    days: str
    from_: str
    to: str
    tz: str


class Active(LineEvent, frozen=True, kw_only=True, tag="active"):
    """A line of ``activeNotifications.log``: what the device itself told; decides nothing."""

    id: str
    rule: str
    state: str
    channel: str
    outcome: str


Made = Context | Tick | Clock | Policy | Claim | Sim
SupplyEvent = Transition | Made
EnergyEvent = Reading | Made
Event = Transition | Reading | Made
