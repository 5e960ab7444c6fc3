"""Whom the messages of one recipient wait for: somebody has to answer, or somebody else is told."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from schemas.decision import BEGAN
from schemas.delivery import Message
from schemas.escalation import Unanswered
from schemas.record import derived_id
from tables.outbox_state import Asked

REMEMBERED_MS = 24 * 3_600_000  # after its usefulness: no copy of a message comes later
MOST_ASKED = 500  # one who is told of a whole town; a state must fit a record
replace = msgspec.structs.replace


class Asking:
    """What waits for an answer, by notification. What is replaced is copied first."""

    def __init__(self, asked: Mapping[str, Asked], now_ms: int) -> None:
        """Begin with ``asked``, at ``now_ms``."""
        self.asked = dict(asked)
        self._now_ms = now_ms

    def ask(self, message: Message, useful_ms: int, told_ms: int) -> list[Unanswered]:
        """Let somebody answer to ``message``; return what is given up for it.

        told_ms: until when a silence holds it back; nobody can answer before.
        """
        if message.kind not in BEGAN or message.episode is None:
            return []
        after, known = message.unanswered_after, self.asked.get(message.notification)
        told_ms = max(told_ms, self._now_ms)
        due_ms = None if after is None else told_ms + round(after * 1_000)
        if known is not None and known.due_ms is not None:
            due_ms = known.due_ms
        self.asked[message.notification] = Asked(
            message.id,
            message.recipient,
            message.device,
            message.rule,
            message.episode,
            due_ms,
            max(useful_ms, due_ms or told_ms) + REMEMBERED_MS,
            0 if known is None else known.reached,
        )
        return self._bounded()

    def ask_anew(self, message: Message, useful_ms: int, told_ms: int) -> None:
        """Let the time in which to answer to ``message`` begin at ``told_ms``, if it is not up."""
        asked = self.asked.get(message.notification)
        if asked is not None and asked.due_ms is not None:
            self.asked[message.notification] = replace(asked, due_ms=None)
            self.ask(message, useful_ms, told_ms)

    def forget(self, device: str, rule: str, episode: datetime) -> None:
        """Ask nobody any more of that episode."""
        self.asked = {
            key: each for key, each in self.asked.items() if not each.of(device, rule, episode)
        }

    def reach(self, notifications: Iterable[str], more: int) -> None:
        """Count ``more`` texts that were taken of each of ``notifications``."""
        for key in notifications:
            asked = self.asked.get(key)
            if asked is not None:
                self.asked[key] = replace(asked, reached=asked.reached + more)

    def unreached(self, notifications: Iterable[str]) -> list[str]:
        """Return which of ``notifications`` wait for an answer though no text of them has left."""
        known = ((key, self.asked.get(key)) for key in notifications)
        return [key for key, asked in known if asked is not None and not asked.reached]

    def overdue(self) -> list[Unanswered]:
        """Return what nobody has acknowledged in time."""
        due = [
            key
            for key, asked in self.asked.items()
            if asked.due_ms is not None and asked.due_ms <= self._now_ms
        ]
        return [self.unanswered(key, "nobody has acknowledged it") for key in due]

    def unanswered(self, key: str, reason: str) -> Unanswered:
        """Return the record that the notification ``key`` is unanswered; it waits no longer."""
        asked = self.asked[key] = replace(self.asked[key], due_ms=None)
        return Unanswered(
            id=derived_id("unanswered", key, asked.message),
            device=asked.device,
            rule=asked.rule,
            episode=asked.episode,
            notification=key,
            recipient=asked.recipient,
            reached=asked.reached > 0,
            reason=reason,
        )

    def prune(self) -> None:
        """Forget what is long past, and what was told and waits for nobody once it is of no use."""
        self.asked = {
            key: each
            for key, each in self.asked.items()
            if each.until_ms - (REMEMBERED_MS if _settled(each) else 0) >= self._now_ms
        }

    def _bounded(self) -> list[Unanswered]:
        """Return the oldest, given up, when more are asked than fit; first goes what is settled."""
        if len(self.asked) <= MOST_ASKED:
            return []
        settled = (key for key, each in self.asked.items() if _settled(each))
        key = next(settled, None)
        if key is not None:
            del self.asked[key]
            return []
        key = next(iter(self.asked))
        given_up = self.unanswered(key, f"more than {MOST_ASKED} wait for an answer")
        del self.asked[key]
        return [given_up]


def _settled(asked: Asked) -> bool:
    """Return whether it was told, and nobody is waited for."""
    return asked.due_ms is None and asked.reached > 0
