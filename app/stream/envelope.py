"""How a value lies on a changelog: eight bytes of the next source offset, big-endian, the state."""

OFFSET_BYTES = 8


def sealed(offset: int, state: bytes) -> bytes:
    """Return the value that says ``state`` holds everything up to ``offset`` of its source."""
    return (offset + 1).to_bytes(OFFSET_BYTES, "big") + state


def opened(value: bytes) -> tuple[int, bytes]:
    """Return the offset and the state in ``value``."""
    return int.from_bytes(value[:OFFSET_BYTES], "big") - 1, value[OFFSET_BYTES:]


def holds(value: bytes, old: bytes | None) -> bool:
    """Return whether ``value``, which lies later on the changelog, holds against ``old``.

    The highest offset does: a paused worker may still write after it lost its partition.
    """
    return old is None or value[:OFFSET_BYTES] >= old[:OFFSET_BYTES]
