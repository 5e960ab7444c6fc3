"""The one place that writes: what is stamped is decided on and spooled, with every state.

A transaction that cannot be stored is kept and tried again: nothing is lost and nothing repeated
when a disk is full, or read-only for a while.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import msgspec

from edge import active_log, handover
from edge.decider import DECIDED, Decider
from edge.handover import Handing, Untold
from edge.job import Job, Text
from edge.log_file import Position
from edge.spool import Spool, Spooled
from edge.stamp import Stamped, Stamper
from schemas import topics
from schemas.codec import encode
from schemas.events import Claim, Clock, Policy, Sim
from tables.fold import CORE
from tables.rules import Rule, written

HANDING = "handing"


class Ledger:
    """Stamps, decides and spools.

    handing: what is between the device and the servers. spooled: records, by topic.
    given: by stream, the last drained point that was handed to a producer.
    changed: called when ``handing`` has changed.
    """

    changed: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, device: str, run: str, spool: Spool) -> None:
        """Go on from what ``spool`` holds."""
        self.stamper = Stamper(device, run, spool.state)
        with spool.understood():
            self.decider = Decider(spool.kept)
            kept = spool.kept(HANDING)
            before = Handing() if kept is None else msgspec.json.decode(kept, type=Handing)
        self.spool = spool
        self.spooled: Counter[str] = Counter()
        self.handing = handover.started(before)
        # What a former run handed over, nobody knows: it may have been all there was.
        self.given = {stream: spool.state.seq.get(stream, 0) for stream in DECIDED}
        self._stored = before
        self._records: list[Spooled] = []
        self._positions: dict[str, Position] = {}
        self._kept: dict[str, bytes] = {}

    @property
    def unlogged(self) -> tuple[str, ...]:
        """Return the lines that activeNotifications.log may lack."""
        return self.handing.unlogged

    @property
    def lost(self) -> int:
        """Return how many lines activeNotifications.log will never have."""
        return self.handing.lost

    @property
    def device(self) -> str:
        """Return whose ledger it is."""
        return self.stamper.device

    def add(self, events: Iterable[Stamped]) -> None:
        """Decide on ``events``, and hold them ready for the next transaction."""
        for stream, event in events:
            self._records.append(Spooled(stream, event.seq, encode(event)))
            self.spooled[stream] += 1
            if stream in DECIDED:
                decisions = self.decider.take(stream, event)  # type: ignore[arg-type]
                if decisions:
                    self.handing = handover.decided(
                        self.handing, stream, event.seq, event.ts, decisions
                    )
                    self.changed()
                if type(event) is Clock:
                    self.handing = handover.clock_set(self.handing, stream, event)
                if self.handing.untold:
                    self.handing = handover.expired(self.handing, event.ts)

    def add_malformed(self, value: bytes) -> None:
        """Hold a record of what is no line ready for the next transaction."""
        self._records.append(Spooled(topics.MALFORMED, 0, value))
        self.spooled[topics.MALFORMED] += 1

    def follow(self, rules: Iterable[Rule], at: datetime) -> None:
        """Tell both streams that the device decides ``rules`` by itself; none: no more."""
        told = tuple(written(rule) for rule in rules)
        for stream in DECIDED:
            if told or self.decider.follows(stream):
                self.add([self.stamper.made(stream, Policy, at, core=CORE, rules=told)])

    def claim(self, untold: Untold, numbers: Iterable[str], body: str, at: datetime) -> Job:
        """Claim ``untold``: its texts to ``numbers`` are ours. Commit before one is sent."""
        # A drained point that a producer was given may have been taken, and nobody said so.
        double = self.given.get(untold.stream, 0) >= untold.seq
        numbers = tuple(numbers)
        stream, event = self.stamper.made(
            untold.stream,
            Claim,
            at,
            decision=untold.decision,
            numbers=numbers,
            possible_double=double,
        )
        self.handing, job = handover.claimed(self.handing, untold, event.seq, numbers, body)
        self.add([(stream, event)])
        return job

    def texted(self, job: int, text: Text, at: datetime) -> None:
        """Note what became of ``text``, and answer for its claim if that was the last."""
        self.handing = handover.texted(self.handing, job, text)
        self.answer(at)

    def answer(self, at: datetime) -> None:
        """Hand back what is too late ``at`` that time; tell what became of the settled claims."""
        self.handing, settled = handover.answers(handover.too_late(self.handing, at))
        for job in settled:
            lines = (active_log.texted(job, text, at) for text in job.texts)
            self.handing = handover.noted(self.handing, lines)
            outcomes = {text.number: text.outcome for text in job.texts}
            reasons = dict.fromkeys(text.reason for text in job.texts if text.reason)
            notification = job.decision.id
            fields = {"notification": notification, "outcomes": outcomes}
            self.add([self.stamper.made(job.stream, Sim, at, **fields, reason="; ".join(reasons))])

    @property
    def positions(self) -> dict[str, Position]:
        """Return how far each log was taken, also where that is not stored yet."""
        return self.spool.positions | self._positions

    def place(self, positions: Mapping[str, Position]) -> None:
        """Hold ``positions`` ready for the next transaction."""
        self._positions.update(positions)

    def keep(self, name: str, value: bytes) -> None:
        """Hold ``value`` ready to be kept under ``name`` in the next transaction."""
        self._kept[name] = value

    def log(self, line: str) -> None:
        """Hold ``line`` ready for activeNotifications.log."""
        self.handing = handover.noted(self.handing, [line])

    def logged(self) -> None:
        """Take note that all lines are in activeNotifications.log."""
        self.handing = msgspec.structs.replace(self.handing, unlogged=(), lost=0)

    def newest(self, topic: str) -> int:
        """Return the greatest number on ``topic``."""
        return self.stamper.state.seq.get(topic, 0)

    def acknowledged(self, topic: str, last_id: int, last: int, drained: int | None) -> None:
        """Forget what the servers have of ``topic``, up to row ``last_id``, number ``last``.

        drained: the last drained point among it; None if there is none.

        Raises:
            SpoolError: nothing was changed.
        """
        stored = self._shipped(self._stored, topic, drained, last)
        # What is not committed yet stays so: its records are not stored either.
        pending = self.handing is not self._stored
        after = self._shipped(self.handing, topic, drained, last) if pending else stored
        states = {} if stored is self._stored else {HANDING: msgspec.json.encode(stored)}
        self.spool.acknowledge(topic, last_id, states)
        changed = after is not self.handing
        self.handing, self._stored = after, stored
        if changed:
            self.changed()

    def _shipped(self, handing: Handing, topic: str, drained: int | None, last: int) -> Handing:
        """Return ``handing`` once the servers have that much; what they took is to be logged."""
        after = handover.shipped(handing, topic, drained, last)
        if after is handing:
            return handing
        taken = [each.decision for each in handing.untold if each not in after.untold]
        at = self.stamper.state.reached
        return handover.noted(after, [active_log.taken(each, at) for each in taken])

    def commit(self, positions: Mapping[str, Position] | None = None) -> None:
        """Store all that was added, with the ``positions`` it came from and every state.

        Raises:
            SpoolError: nothing was stored; it is all kept, for the next try.
        """
        self._positions.update(positions or {})
        kept = self.decider.changed() | self._kept
        if self.handing is not self._stored:
            kept[HANDING] = msgspec.json.encode(self.handing)
        if self._records or self._positions or kept:
            self.spool.commit(self._records, self._positions, kept)
            self._records, self._positions, self._kept = [], {}, {}
            self._stored = self.handing
            self.decider.stored()
            hanging = (each.seq for each in self.handing.untold if each.stream == topics.PROBES)
            self.spool.make_room(hanging)
