"""One step of the edge: what the logs gained is stamped and spooled, then time passes.

Nothing here waits, and no clock is read: the caller says what time it is.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from edge.log_file import Entry
from edge.parse import Bad
from edge.spool import Spool, Waiting
from edge.stamp import DECIDED, Stamped, Stamper
from edge.tail import Tail
from schemas import topics
from schemas.codec import encode
from schemas.malformed import malformed
from schemas.record import MICROSECOND


class Pump:
    """Moves lines from ``tail`` to ``spool``.

    lines: how many lines went in, malformed ones included. spooled: records, by topic.
    """

    def __init__(self, device: str, tail: Tail, stamper: Stamper, spool: Spool) -> None:
        self.tail = tail
        self.lines = 0
        self.spooled: Counter[str] = Counter()
        self._device = device
        self._stamper = stamper
        self._spool = spool

    def step(self, now_s: float, horizon: datetime, tick: timedelta) -> bool:
        """Spool what has settled, then ticks; return whether there is more to do at once.

        now_s: of a clock that never steps. horizon: the time that has surely passed.
        tick: a stream without an event for so long gets one.
        """
        self.tail.look(now_s)
        self.tail.fill()
        entries = self.tail.release(now_s)
        events = self._stamp(entries)
        if not self.tail.behind:
            events.extend(self._encoded(self._pass(horizon, tick)))
        self._store(entries, events)
        return self.tail.behind

    def drain(self) -> bool:
        """Spool what can be put in order without waiting; return whether there is more.

        It reads the logs to where they ended at the last look of the tail.
        """
        self.tail.fill()
        entries = self.tail.release_all()
        self._store(entries, self._stamp(entries))
        return self.tail.behind or self.tail.queued

    def close(self, until: datetime | None) -> datetime | None:
        """Tick both streams at ``until`` or the latest instant of any log; return which.

        None when there is neither: nothing was told.
        """
        reached = [place.counted_at for place in self._spool.positions.values()]
        at = max((instant for instant in (*reached, until) if instant is not None), default=None)
        if at is not None:
            ticks = [event for stream in DECIDED for event in self._stamper.tick(stream, at)]
            self._store([], list(self._encoded(ticks)))
        return at

    def _stamp(self, entries: list[Entry]) -> list[Waiting]:
        events = list[Waiting]()
        for entry in entries:
            if isinstance(entry.item, Bad):
                events.append((topics.MALFORMED, self._malformed(entry, entry.item)))
            else:
                events.extend(self._encoded(self._stamper.line(entry.item, entry.at)))
        return events

    def _malformed(self, entry: Entry, bad: Bad) -> bytes:
        origin = f"{entry.log}:{entry.number}"
        return encode(malformed(self._device, origin, bad.reason, entry.raw))

    def _pass(self, horizon: datetime, tick: timedelta) -> Iterator[Stamped]:
        """Yield what time alone brings: openings and closings, then ticks."""
        earliest = self.tail.earliest()
        if earliest is not None:
            horizon = min(horizon, earliest - MICROSECOND)
        yield from self._stamper.advance(horizon)
        for stream in DECIDED:
            last = self._stamper.state.last.get(stream)
            if last is None or horizon - last >= tick:
                yield from self._stamper.tick(stream, horizon)

    def _encoded(self, events: Iterable[Stamped]) -> Iterator[Waiting]:
        return ((stream, encode(event)) for stream, event in events)

    def _store(self, entries: list[Entry], events: list[Waiting]) -> None:
        if entries or events:
            last = {entry.log: entry for entry in entries}
            self._spool.commit(events, {log: entry.position for log, entry in last.items()})
            self.lines += len(entries)
            self.spooled.update(topic for topic, _ in events)
