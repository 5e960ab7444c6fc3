"""The device's own rules over its own streams: the servers' core, fed what is spooled. Pure."""

from collections.abc import Callable
from datetime import datetime

from schemas import topics
from schemas.decision import Decision
from schemas.events import Event
from tables import entries, intake
from tables.entries import Entry
from tables.rulebook import Rulebook
from tables.rules import Rule

DECIDED = (topics.TRANSITIONS, topics.PROBES)


def kept_name(stream: str) -> str:
    """Return under which name the state of ``stream`` is kept in the spool."""
    return f"entry:{stream}"


class Decider:
    """The states of both streams. What decides is in the ``policy`` records among the events."""

    def __init__(self, kept: Callable[[str], bytes | None]) -> None:
        """Go on from the states that ``kept`` returns by name."""
        self.entries: dict[str, Entry] = {}
        self._books = {stream: Rulebook(stream, ()) for stream in DECIDED}
        self._changed = set[str]()
        for stream in DECIDED:
            stored = kept(kept_name(stream))
            self.entries[stream] = Entry() if stored is None else entries.read(stored)

    def take(self, stream: str, event: Event) -> list[tuple[Decision, datetime]]:
        """Return what ``event`` decides, each with the end of its usefulness."""
        entry, book = self.entries[stream], self._books[stream]
        self.entries[stream], outcomes = intake.take(book, entry, event, 0)
        self._changed.add(stream)
        if not outcomes:
            return []
        policy = book.newest.of(event.device, self.entries[stream].own)
        return [
            (each, each.at + policy.useful_for(each))
            for each in outcomes
            if isinstance(each, Decision)
        ]

    def rule(self, decision: Decision) -> Rule | None:
        """Return the rule of ``decision`` as it is now; None if it is no more."""
        entry = self.entries[decision.stream]
        newest = self._books[decision.stream].newest
        return newest.of(decision.device, entry.own).rules.get(decision.rule)

    def wake(self, stream: str) -> datetime | None:
        """Return when time alone will next change something on ``stream``; None is never."""
        return self.entries[stream].state.wake

    def follows(self, stream: str) -> bytes:
        """Return the policy that ``stream`` follows, as ``tables.policy.owned`` reads it."""
        return self.entries[stream].own

    def changed(self) -> dict[str, bytes]:
        """Return the states that have changed since ``stored`` was called, by name."""
        return {kept_name(each): entries.written(self.entries[each]) for each in self._changed}

    def stored(self) -> None:
        """Take note that what ``changed`` returned is committed."""
        self._changed.clear()
