"""What a provider does instead of taking a text: once with each, by chance from a seed."""

import random
from collections import Counter
from collections.abc import Mapping


class Faults:
    """Chooses. counts: how often each was. taken: how often a text was, by whose it is."""

    def __init__(self, seed: int, shares: Mapping[str, int]) -> None:
        """shares: of each, in a hundred texts."""
        self._shares = shares
        self._chance = random.Random(seed)
        self._wronged: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()

    def next(self, text: str) -> str:
        """Return what goes wrong with ``text`` now, or nothing."""
        fault = "" if text in self._wronged else self._drawn()
        if fault:
            self.counts[fault] += 1
            self._wronged.add(text)
        return fault

    def _drawn(self) -> str:
        hundred = self._chance.randrange(100)
        for fault, share in self._shares.items():
            if hundred < share:
                return fault
            hundred -= share
        return ""
