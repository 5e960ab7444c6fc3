"""Lines become events: numbered, and with the context their rules need. Pure.

The fold of §3 of the design. At one instant windows come first, then what opens or closes by them,
transitions, readings. Every change of context goes to ``transitions`` and ``probes``, stamped with
its own instant, unless the stream has a transition that says so.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from edge.clock import set_by
from edge.parse import ActiveLine, ParsedLine, ReadingLine, TransitionLine, WindowLine
from edge.windows import Opening, Windows
from schemas import topics
from schemas.events import (
    Active,
    Clock,
    Context,
    EdgeEvent,
    Reading,
    Source,
    Tick,
    Transition,
    Window,
)

Stamped = tuple[str, EdgeEvent]

NO_MARKS: Mapping[str, Any] = {}
DECIDED = (topics.TRANSITIONS, topics.PROBES)
LONGEST_GAP = timedelta(days=366)  # a clock that starts in 1970 is right half a century later


class View(msgspec.Struct, frozen=True):
    """The context of an event, as ``schemas.events.EdgeEvent`` describes it."""

    source: Source | None = None
    in_window: bool | None = None
    due: tuple[Source, ...] = ()
    online: bool | None = None


class InForce(msgspec.Struct, frozen=True):
    """The windows of one source, and the time that their lines carry.

    That is not when they count: while a clock is behind all lines count at one instant.
    """

    at: datetime
    openings: tuple[Opening, ...]


class State(msgspec.Struct, kw_only=True):
    """All that the fold remembers; it serialises to JSON.

    seq, last: per stream, the number and the instant of the last event.
    view: the last context told. reached: the latest instant seen; None at the very beginning.
    look_at: when the context has to be looked at again; None is never.
    """

    epoch: str
    seq: dict[str, int] = {}
    last: dict[str, datetime] = {}
    windows: dict[Source, InForce] = {}
    view: View = View()
    reached: datetime | None = None
    look_at: datetime | None = None


class Stamper:
    """Gives lines their number and context, in the order they are handed in.

    state: changed in place; it belongs to whoever stores it.
    run: 32 random bits in hex, drawn at each start.
    """

    def __init__(self, device: str, run: str, state: State) -> None:
        self.state = state
        self.device = device
        self._run = run
        self._windows = _windows(state)

    def line(
        self, line: ParsedLine, counted_at: datetime, marks: Mapping[str, Any] = NO_MARKS
    ) -> list[Stamped]:
        """Return the events of ``line`` and of what opened or closed before it.

        marks: fields of its event that are not in the line.
        """
        self._marks = marks
        match line:
            case ReadingLine():
                return self._reading(line, counted_at)
            case TransitionLine():
                return self._transition(line, counted_at)
            case WindowLine():
                return self._window(line, counted_at)
            case ActiveLine():
                return self._active(line, counted_at)

    def advance(self, to: datetime) -> list[Stamped]:
        """Return what opens and closes up to and including ``to``."""
        look_at = self.state.look_at
        events = [] if look_at is None or look_at > to else self._look(to, including=True)
        self._reach(to)
        return events

    def tick(self, stream: str, at: datetime) -> list[Stamped]:
        """Return what opens and closes up to ``at``, then a tick; nothing if it is past."""
        last = self.state.last.get(stream)
        if last is not None and at < last:
            return []
        events = self.advance(at)
        events.append(self._event(stream, Tick, at))
        return events

    def made(self, stream: str, kind: type[EdgeEvent], at: datetime, **fields: Any) -> Stamped:
        """Return an event of the device's program, at ``at`` or what was reached already."""
        at = self._now(at)
        self._reach(at)
        return self._event(stream, kind, at, **fields)

    def online(self, online: bool, at: datetime) -> list[Stamped]:
        """Return what tells that the internet came or went, as of ``at``."""
        events = self.advance(at)
        if self.state.view.online is not online:
            self.state.view = msgspec.structs.replace(self.state.view, online=online)
            events += [self.made(stream, Context, at) for stream in DECIDED]
        return events

    def clock_set(self, was: datetime, is_: datetime, since: datetime) -> list[Stamped]:
        """Return what tells that the clock was wrong since ``since``, and go on from ``is_``."""
        state = self.state
        events = [
            self._event(stream, Clock, was, was=was, is_=is_, from_=since) for stream in DECIDED
        ]
        state.last = {stream: set_by(at, was, is_, since) for stream, at in state.last.items()}
        state.reached = is_
        state.look_at = is_  # another time of day: what is open may be another
        return events + self.advance(is_)

    def _reading(self, line: ReadingLine, at: datetime) -> list[Stamped]:
        events = self.advance(at)
        events.append(
            self._event(
                topics.PROBES,
                Reading,
                at,
                line=line.line,
                extra=line.extra,
                **self._marks,
                power_w=line.power_w,
                energy_wh=line.energy_wh,
                battery_v=line.battery_v,
                soc_pct=line.soc_pct,
            )
        )
        return events

    def _transition(self, line: TransitionLine, at: datetime) -> list[Stamped]:
        events = self.advance(at)
        before = self.state.view
        self.state.view = self._viewed(line.to, self._now(at))
        fields = {
            "line": line.line,
            "extra": line.extra,
            **self._marks,
            "from_": line.from_,
            "to": line.to,
        }
        events.append(self._event(topics.TRANSITIONS, Transition, at, **fields))
        if self.state.view != before:
            events.append(self._event(topics.PROBES, Context, at))
        return events

    def _window(self, line: WindowLine, at: datetime) -> list[Stamped]:
        events = self._look(at, including=False)
        self._reach(at)
        opening = line.opening
        held = self.state.windows.get(opening.of)
        same = held.openings if held is not None and held.at == line.at else ()
        self.state.windows[opening.of] = InForce(line.at, tuple(dict.fromkeys((*same, opening))))
        self._windows = _windows(self.state)
        self.state.look_at = self._now(at)  # once the lines of this instant are all taken
        fields = {
            "line": line.line,
            "extra": line.extra,
            **self._marks,
            **msgspec.structs.asdict(opening),
        }
        events.append(self._event(topics.WINDOWS, Window, at, **fields))
        return events

    def _active(self, line: ActiveLine, at: datetime) -> list[Stamped]:
        events = self.advance(at)
        fields = {name: getattr(line, name) for name in Active.__struct_fields__[-5:]}
        events.append(
            self._event(
                topics.ACTIVE, Active, at, line=line.line, extra=line.extra, **self._marks, **fields
            )
        )
        return events

    def _of(self, line: ParsedLine) -> dict[str, Any]:
        """Return the fields that every event of a line has."""
        return {"line": line.line, "extra": line.extra, **self._marks}

    def _look(self, to: datetime, *, including: bool) -> list[Stamped]:
        """Return the changes of context up to ``to``; of more than LONGEST_GAP only the last."""
        state, events = self.state, list[Stamped]()
        if state.look_at is not None and to - state.look_at > LONGEST_GAP:
            state.look_at = to
        while (at := state.look_at) is not None and (at < to or (including and at == to)):
            state.look_at = self._windows.next_change(at)
            view = self._viewed(state.view.source, at)
            if view != state.view:
                state.view = view
                events.extend([self._event(stream, Context, at) for stream in DECIDED])
        return events

    def _reach(self, at: datetime) -> None:
        reached = self.state.reached
        if reached is None or at > reached:
            self.state.reached = at

    def _now(self, at: datetime) -> datetime:
        """Return ``at``, or what was reached already if that is later."""
        return max(at, self.state.reached or at)

    def _viewed(self, source: Source | None, at: datetime) -> View:
        in_window, due = self._windows.in_window(source, at), self._windows.due(at)
        return View(source, in_window, due, self.state.view.online)

    def _event(self, stream: str, kind: type[EdgeEvent], at: datetime, **fields: Any) -> Stamped:
        state = self.state
        view, last = state.view, state.last.get(stream)
        state.seq[stream] = seq = state.seq.get(stream, 0) + 1
        if last is None or at > last:
            state.last[stream] = at
        event = kind(
            device=self.device,
            epoch=state.epoch,
            seq=seq,
            run=self._run,
            ts=at,
            source=view.source,
            in_window=view.in_window,
            due=view.due,
            online=view.online,
            **fields,
        )
        return stream, event


def _windows(state: State) -> Windows:
    return Windows(opening for held in state.windows.values() for opening in held.openings)
