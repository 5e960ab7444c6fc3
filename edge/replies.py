"""Answers to those who text, and from when on each may leave: the caps of all texts. Pure."""

from collections import deque

from schemas.delivery import Channel
from tables.limits import MOST_REMEMBERED, allowed_ms


class Replies:
    """The newest answer to each number: an older one that still waits helps nobody."""

    def __init__(self) -> None:
        """Begin with none."""
        self._texts: dict[str, str] = {}
        self._left_ms: dict[str, deque[int]] = {}

    def add(self, number: str, text: str) -> None:
        """Hold ``text`` ready for ``number``."""
        self._texts[number] = text

    def due_s(self) -> float | None:
        """Return from when on one may leave, in the count of ``take``; None if there is none."""
        return min(map(self._allowed_s, self._texts), default=None)

    def take(self, now_s: float) -> tuple[str, str] | None:
        """Return the number and the text of one that may leave, as it does now."""
        for number in self._texts:
            if self._allowed_s(number) <= now_s:
                left = self._left_ms.setdefault(number, deque(maxlen=MOST_REMEMBERED))
                left.append(round(now_s * 1_000))
                return number, self._texts.pop(number)
        return None

    def _allowed_s(self, number: str) -> float:
        return allowed_ms(Channel.SMS, self._left_ms.get(number, ())) / 1_000
