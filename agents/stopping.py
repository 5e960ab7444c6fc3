"""Whether a channel goes, and which address was only to blame itself when a text said it did not.

    open --DOWN--> in doubt --DOWN--> stopped --60 s--> in doubt
    in doubt --anything else--> open; any --SENT, REFUSED--> open

In doubt, one text at a time finds out. Where a text said DOWN, its address is to blame until
something is sent there: in doubt it lets others try for another 60 s, and while the channel is open
it is in the way of nobody else.
"""

from collections.abc import Sequence

import msgspec

from app.providers.provider import Answer, Verdict

STOPPED_S = 60.0  # after which what did not go is tried again
OPEN = float("-inf")
PROOF = frozenset({Verdict.SENT, Verdict.REFUSED})  # that the channel itself goes


class Stopping:
    """What is known of one channel. Times are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        """Begin open."""
        self._until_s = OPEN
        self._to_blame: set[str] = set()

    def in_doubt(self, now_s: float) -> bool:
        """Return whether one text at a time is to find out whether the channel goes."""
        return OPEN < self._until_s <= now_s

    def lets(self, address: str, now_s: float) -> bool:
        """Return whether a text for ``address`` may go; in doubt, it is the one that tries."""
        return now_s >= self._until_s + (STOPPED_S if address in self._to_blame else 0.0)

    def heard(
        self, addresses: Sequence[str], answers: Sequence[Answer], now_s: float
    ) -> Sequence[Answer]:
        """Return ``answers``; what was no fault of the channel says RETRY in place of DOWN."""
        sent = {to for to, each in zip(addresses, answers, strict=True) if _is(each, Verdict.SENT)}
        down = {to for to, each in zip(addresses, answers, strict=True) if _is(each, Verdict.DOWN)}
        goes = (
            any(each.verdict in PROOF for each in answers)
            or (self._until_s == OPEN and down <= self._to_blame)
            or (not down and self.in_doubt(now_s))
        )
        self._to_blame -= sent
        self._to_blame |= down
        if goes:
            self._until_s = OPEN
            return [_own(each) if _is(each, Verdict.DOWN) else each for each in answers]
        if down:
            self._until_s = now_s if self._until_s == OPEN else now_s + STOPPED_S
        return answers


def _is(answer: Answer, verdict: Verdict) -> bool:
    return answer.verdict is verdict


def _own(answer: Answer) -> Answer:
    return msgspec.structs.replace(answer, verdict=Verdict.RETRY, after_s=STOPPED_S)
