"""Addresses as they are shown unless somebody asks for them whole."""

import re

SHORTEST = 8  # of what may show five characters


def masked(channel: str, address: str) -> str:
    """Return ``address`` with only as much left as its owner needs to know it again."""
    if channel == "email":
        name, _, host = address.partition("@")
        return f"{name[:1]}…@{host}"
    return f"{address[:3]}…{address[-2:]}" if len(address) >= SHORTEST else "…"


def masked_in(reason: str, channel: str, address: str) -> str:
    """Return what a provider said of ``address``, which it may have quoted, with that masked."""
    if address.lower() not in reason.lower():
        return reason
    shown = masked(channel, address)
    return re.sub(re.escape(address), lambda _: shown, reason, flags=re.IGNORECASE)
