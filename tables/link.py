"""Is the internet there, as far as one device knows: by three failures or two successes. Pure.

The very first success says yes at once: a device that has just started and reached somebody is
online, and there is nothing that it could flicker from.
"""

import msgspec

OFFLINE_AFTER = 3
ONLINE_AFTER = 2


class Link(msgspec.Struct, frozen=True):
    """online: None while nothing is known. row: how many answers in a row say ``saying``."""

    online: bool | None = None
    saying: bool | None = None
    row: int = 0


def observe(link: Link, *, ok: bool) -> Link:
    """Return what is known after one more answer, or none."""
    row = link.row + 1 if link.saying is ok else 1
    needed = ONLINE_AFTER if ok else OFFLINE_AFTER
    if ok and link.online is None:
        needed = 1
    online = ok if row >= needed else link.online
    return Link(online, ok, min(row, OFFLINE_AFTER))
