"""What no parser or decoder could read, kept whole. Topic ``malformed``, keyed by device."""

import hashlib
from base64 import b64encode

import msgspec

from schemas.record import Name, Record

LARGEST = 1_500_000  # twice that still fits a record of the topic
SHORT = 1_000  # of what is told beside the bytes: characters, and bytes of its key


class Malformed(Record, frozen=True, kw_only=True, tag="malformed"):
    """Bytes with the reason why they are not a record.

    origin: ``file:line``, or ``topic:partition:offset``.
    text: the bytes, when they are UTF-8 without much to escape; base64: when they are not. One of
    the two. Beyond LARGEST bytes only the first are kept, and ``reason`` tells length and SHA-256.
    """

    device: str | None
    origin: Name
    reason: str
    text: str | None = None
    base64: str | None = None


def malformed(device: str | None, origin: str, reason: str, payload: bytes) -> Malformed:
    """Return ``payload`` kept whole, with where it stood and why it was not read."""
    device, reason = device and device[:SHORT], reason[:SHORT]
    if len(payload) > LARGEST:
        digest = hashlib.sha256(payload).hexdigest()
        reason = f"{reason} (the first {LARGEST} of {len(payload)} bytes; SHA-256 {digest})"
        payload = payload[:LARGEST]
    encoded = b64encode(payload).decode()
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return Malformed(device=device, origin=origin, reason=reason, base64=encoded)
    if len(msgspec.json.encode(text)) > 2 * len(payload) + SHORT:  # control characters, escaped
        return Malformed(device=device, origin=origin, reason=reason, base64=encoded)
    return Malformed(device=device, origin=origin, reason=reason, text=text)
