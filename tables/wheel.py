"""What is to be looked at when: a bucket for each second. Pure; the caller has the clock.

Nothing is done for a device when it is heard: one that is looked at too early is put further on.
"""

from collections.abc import Iterator

Key = tuple[int, bytes]  # partition and key


class Wheel:
    """Keys by the second in which they come up."""

    def __init__(self) -> None:
        """Begin empty."""
        self._buckets: dict[int, list[Key]] = {}

    def add(self, key: Key, second: int) -> None:
        """Let ``key`` come up in ``second``."""
        self._buckets.setdefault(second, []).append(key)

    def due(self, second: int) -> Iterator[tuple[Key, int]]:
        """Yield, and forget, what comes up in ``second`` or before, with when, in that order.

        What is added meanwhile for a second that has passed comes up the next time.
        """
        for passed in sorted(each for each in self._buckets if each <= second):
            for key in self._buckets.pop(passed):
                yield key, passed
