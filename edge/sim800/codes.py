"""What to do about each error of a modem. Pure.

Source: SIM800 Series AT Command Manual V1.12, 18.1 and 18.2; 3GPP TS 27.005, 3.2.5 (CMS) and
3GPP TS 27.007, 9.2 (CME); causes 1 to 127: 3GPP TS 24.011, annex E.
"""

from collections.abc import Iterable
from enum import StrEnum


class Reaction(StrEnum):
    """What an error means for the text that was to be sent."""

    SENT = "sent"  # the network has it already
    RETRY_SOON = "retry_soon"
    RETRY_SLOW = "retry_slow"
    UNKNOWN = "unknown"  # it may have been sent
    REINITIALISE = "reinitialise"
    MEMORY_FULL = "memory_full"
    MESSAGE_FATAL = "message_fatal"
    ROUTE_FATAL = "route_fatal"  # nothing can be sent until somebody looks at SIM or contract


CMS: dict[Reaction, tuple[int | range, ...]] = {
    Reaction.SENT: (197,),
    Reaction.RETRY_SOON: (41, 42, 44, 47, 58, 192, 314, 521, 525, 528, 530, 532),
    Reaction.RETRY_SLOW: (22, 27, 34, 38, 194, 211, 331),
    Reaction.UNKNOWN: (224, 225, 226, 332, 500, 512),
    Reaction.REINITIALISE: (300, 301, 302, 304, 305, 515),
    Reaction.MEMORY_FULL: (208, 322, 531),
    Reaction.MESSAGE_FATAL: (
        1, 28, range(95, 100), 111, range(127, 131), range(143, 146), range(159, 162), 175, 176,
        195, 196, 198, 199, 321, range(323, 326), 513, 514, range(516, 520),
    ),
    Reaction.ROUTE_FATAL: (
        8, 10, 21, 29, 30, 50, 55, 69, 193, range(310, 314), range(315, 319), 330, 529,
    ),
}  # fmt: skip
CME: dict[Reaction, tuple[int | range, ...]] = {
    Reaction.RETRY_SOON: (14, 31),
    Reaction.RETRY_SLOW: (30, 32),
    Reaction.REINITIALISE: (3, 772, 797),
    Reaction.MEMORY_FULL: (20,),
    Reaction.ROUTE_FATAL: (10, 11, 12, 13, 15, 16, 17, 18, 103, 106, range(111, 114)),
}
NO_CREDIT = frozenset(
    {"CMS 34", "CMS 21", "CMS 38", "CMS 50", "CMS 8"}
)  # it has no code of its own


def _table(kind: str, listed: dict[Reaction, tuple[int | range, ...]]) -> dict[str, Reaction]:
    def codes(entries: tuple[int | range, ...]) -> Iterable[int]:
        for entry in entries:
            yield from (entry,) if isinstance(entry, int) else entry

    return {
        f"{kind} {code}": reaction
        for reaction, entries in listed.items()
        for code in codes(entries)
    }


REACTIONS = _table("CMS", CMS) | _table("CME", CME)


def reaction(error: str, *, given: bool) -> Reaction:
    """Return what to do about ``error``, as ``edge.sim800.at.Reply`` names it.

    given: the text had been given to the modem; then an error that nobody knows leaves it open
    whether it was sent.
    """
    known = REACTIONS.get(error)
    if known is not None:
        return known
    return Reaction.UNKNOWN if given else Reaction.RETRY_SOON
