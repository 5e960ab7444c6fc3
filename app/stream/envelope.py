"""How a value lies on a changelog: eight bytes of the next source offset, big-endian, the state."""

import struct

OFFSET_BYTES = 8
_sealed, _following = struct.Struct(">Q").pack, struct.Struct(">Q").unpack_from


def sealed(offset: int, state: bytes) -> bytes:
    """Return the value that says ``state`` holds everything up to ``offset`` of its source."""
    return _sealed(offset + 1) + state


def opened(value: bytes) -> tuple[int, bytes]:
    """Return the offset and the state in ``value``."""
    (following,) = _following(value)
    return following - 1, value[OFFSET_BYTES:]


def holds(value: bytes, old: bytes | None) -> bool:
    """Return whether ``value``, which lies later on the changelog, holds against ``old``.

    The highest offset does: a paused worker may still write after it lost its partition.
    """
    return old is None or value[:OFFSET_BYTES] >= old[:OFFSET_BYTES]
