"""What no parser or decoder could read, kept whole. Topic ``malformed``, keyed by device."""

from base64 import b64encode

from schemas.record import Name, Record


class Malformed(Record, frozen=True, kw_only=True, tag="malformed"):
    """Bytes with the reason why they are not a record.

    origin: ``file:line``, or ``topic:partition:offset``.
    text: the bytes, when they are UTF-8; base64: the bytes, when they are not. One of the two.
    """

    device: str | None
    origin: Name
    reason: str
    text: str | None = None
    base64: str | None = None


def malformed(device: str | None, origin: str, reason: str, payload: bytes) -> Malformed:
    """Return ``payload`` kept whole, with where it stood and why it was not read."""
    try:
        return Malformed(device=device, origin=origin, reason=reason, text=payload.decode())
    except UnicodeDecodeError:
        encoded = b64encode(payload).decode()
        return Malformed(device=device, origin=origin, reason=reason, base64=encoded)
