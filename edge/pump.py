"""One step of the edge: what the logs gained is stamped and spooled, then time passes.

Nothing here waits, and no clock is read: the caller says what time it is.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from edge.clock import set_by
from edge.decider import DECIDED
from edge.ledger import Ledger
from edge.log_file import FIRST, Entry, Position
from edge.parse import Bad
from edge.stamp import Stamped
from edge.tail import Tail
from schemas.codec import encode
from schemas.events import Tick
from schemas.malformed import malformed
from schemas.record import MICROSECOND
from tables.rules import Rule

BUSY_FOR = timedelta(hours=1)  # after an event that is no tick
IDLE = 4  # times as long is a tick when nothing has happened for so long


class Pump:
    """Moves lines from ``tail`` to the ledger.

    lines: how many, malformed ones included; ``edge.parse.parsed`` says what counts for one.
    bad: the newest malformed one: where, and what is wrong.
    """

    def __init__(
        self, tail: Tail, ledger: Ledger, tick: timedelta, rules: Iterable[Rule] = ()
    ) -> None:
        """Let a stream without an event for ``tick`` have one; decide ``rules`` on the device."""
        self._rules: tuple[Rule, ...] | None = tuple(rules)  # None: both streams know them
        self.tail = tail
        self.lines = 0
        self.bad = ""
        self._ledger = ledger
        self._stamper = ledger.stamper
        self._tick = tick
        self._happened: datetime | None = None

    def step(self, now_s: float, horizon: datetime) -> bool:
        """Spool what has settled, then ticks; return whether there is more to do at once.

        now_s: of a clock that never steps. horizon: the time that has surely passed.

        Raises:
            SpoolError: it could not be stored; the next step tries again.
        """
        self._ledger.commit()  # what could not be stored before; nothing is read until it is
        self.tail.look(now_s)
        self.tail.fill(horizon)
        entries = self.tail.release(now_s)
        self._add(entries)
        if not self.tail.behind:
            self._pass(self.until(horizon))
        self._commit(entries)
        # A log whose queue is full is read on only when the lines in it have settled.
        return self.tail.behind and bool(entries)

    def drain(self, latest: datetime | None = None) -> bool:
        """Spool what can be put in order without waiting; return whether there is more.

        It reads the logs to where they ended at the last look of the tail.
        latest: what the clock says, if it can be right: no last line of a log is far later.
        """
        self.tail.fill(latest, history=True)
        entries = self.tail.release_all()
        self._add(entries)
        self._commit(entries)
        return self.tail.behind or self.tail.queued

    def close(self, until: datetime | None) -> datetime | None:
        """Tick both streams at ``until`` or the latest instant of any log; return which.

        None when there is neither: nothing was told.
        """
        reached = [place.counted_at for place in self._ledger.spool.positions.values()]
        at = max((instant for instant in (*reached, until) if instant is not None), default=None)
        if at is not None:
            self._announce(at)
            for stream in DECIDED:
                self._ledger.add(self._stamper.tick(stream, at))
            self._ledger.commit()
        return at

    def until(self, horizon: datetime) -> datetime:
        """Return to when time may pass by itself: never ahead of a line that waits."""
        earliest = self.tail.earliest()
        return horizon if earliest is None else min(horizon, earliest - MICROSECOND)

    def due(self, horizon: datetime) -> datetime | None:
        """Return the time at which a step has something to do again, if no log grows.

        None: not before the lines that wait have settled.
        """
        if self.tail.behind or self.until(horizon) < horizon:
            return None
        state = self._stamper.state
        instants = [self._next_tick(stream, horizon) for stream in DECIDED]
        instants += self._wakes().values()
        if state.look_at is not None:
            instants.append(state.look_at)
        return min(instants)

    def _announce(self, at: datetime) -> None:
        """Tell both streams, once and before anything else, what the device decides itself."""
        if self._rules is not None and at != FIRST:
            self._ledger.follow(self._rules, at)
            self._rules = None
            self._happened = at  # a policy is an event, and who starts may come from an outage

    def clock_set(self, was: datetime, is_: datetime, since: datetime) -> None:
        """Tell that the clock was wrong since ``since``; the next step stores it.

        Where the logs had come to moves along, else their next lines would count ahead of time.
        """
        self._ledger.add(self._stamper.clock_set(was, is_, since))
        self._happened = is_
        self.tail.clock_set(was, is_, since)
        self._ledger.place(
            {
                log: msgspec.structs.replace(place, counted_at=set_by(at, was, is_, since))
                for log, place in self._ledger.positions.items()
                if (at := place.counted_at) is not None
            }
        )

    def online(self, online: bool, horizon: datetime) -> None:
        """Tell that the internet came or went; the next step stores it."""
        self._happen(self._stamper.online(online, self.until(horizon)))

    def _add(self, entries: list[Entry]) -> None:
        for entry in entries:
            self._announce(entry.at)
            if isinstance(entry.item, Bad):
                self._ledger.add_malformed(self._malformed(entry, entry.item))
            else:
                self._happen(self._stamper.line(entry.item, entry.at, _marks(entry)))

    def _malformed(self, entry: Entry, bad: Bad) -> bytes:
        origin = f"{entry.log}:{entry.number}"
        self.bad = f"{origin}: {bad.reason}"
        return encode(malformed(self._ledger.device, origin, bad.reason, entry.raw))

    def _pass(self, horizon: datetime) -> None:
        """Add what time alone brings: openings and closings, and ticks.

        One tick falls on each deadline of the device's own rules, so that they act in time.
        """
        self._announce(horizon)
        while (wakes := self._wakes()) and (at := min(wakes.values())) <= horizon:
            self._happen(self._stamper.advance(at))
            for stream in (each for each, wake in wakes.items() if wake <= at):
                self._ledger.add(self._stamper.tick(stream, at))
        self._happen(self._stamper.advance(horizon))
        for stream in DECIDED:
            if self._next_tick(stream, horizon) <= horizon:
                self._ledger.add(self._stamper.tick(stream, horizon))

    def _happen(self, events: list[Stamped]) -> None:
        self._ledger.add(events)
        for _, event in events:
            if not isinstance(event, Tick) and (
                self._happened is None or event.ts > self._happened
            ):
                self._happened = event.ts

    def _wakes(self) -> dict[str, datetime]:
        """Return the next deadline of each stream that has one, no earlier than its last event."""
        last, decider = self._stamper.state.last, self._ledger.decider
        return {
            stream: max(wake, last.get(stream, wake))
            for stream in DECIDED
            if (wake := decider.wake(stream)) is not None
        }

    def _patience(self, now: datetime) -> timedelta:
        """Return how long a stream may be without an event."""
        busy = self._happened is not None and now - self._happened < BUSY_FOR
        return self._tick if busy else self._tick * IDLE

    def _next_tick(self, stream: str, now: datetime) -> datetime:
        last = self._stamper.state.last.get(stream)
        return now if last is None else last + self._patience(now)

    def _commit(self, entries: list[Entry]) -> None:
        positions: dict[str, Position] = {entry.log: entry.position for entry in entries}
        self._ledger.commit(positions)
        self.lines += len(entries)


def _marks(entry: Entry) -> dict[str, Any]:
    """Return what the event of ``entry`` says besides its line."""
    marks = {"backlog": entry.backlog, "future": entry.future}
    return {name: True for name, marked in marks.items() if marked}
