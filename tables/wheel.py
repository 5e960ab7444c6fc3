"""What is to be looked at when: a bucket for each second. Pure; the caller has the clock.

Nothing is done for a device when it is heard: one that is looked at too early is put further on.
"""

import sys
from collections.abc import Iterable

Key = tuple[int, bytes]  # partition and key


class Wheel:
    """Keys by the second in which they come up; those of a partition share a list."""

    def __init__(self) -> None:
        """Begin empty."""
        self._buckets: dict[int, dict[int, list[bytes]]] = {}

    def add(self, key: Key, second: int) -> None:
        """Let ``key`` come up in ``second``."""
        self.extend(key[0], (key[1],), second)

    def extend(self, partition: int, keys: Iterable[bytes], second: int) -> None:
        """Let ``keys`` of ``partition`` come up in ``second``."""
        self._buckets.setdefault(second, {}).setdefault(partition, []).extend(keys)

    def due(self, second: int, most: int = sys.maxsize) -> list[tuple[Key, int]]:
        """Return, and forget, what comes up in ``second`` or before, with when, in that order.

        most: how many at most; the others come up the next time.
        """
        taken: list[tuple[Key, int]] = []
        for passed in sorted(each for each in self._buckets if each <= second):
            bucket = self._buckets[passed]
            for partition, keys in list(bucket.items()):
                first = max(0, len(keys) - (most - len(taken)))
                taken += [((partition, key), passed) for key in keys[first:]]
                del keys[first:]
                if keys:
                    return taken
                del bucket[partition]
            del self._buckets[passed]
        return taken
