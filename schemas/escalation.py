"""Whether anybody took note of a decision. Topic ``notifications``, keyed by device."""

from schemas.record import Instant, Name, Record


class Unanswered(Record, frozen=True, kw_only=True, tag="unanswered"):
    """``recipient`` did not answer in time, or could not be reached.

    id: derived from notification and recipient. reached: a text has left, so it is their turn only.
    """

    id: Name
    device: Name
    rule: Name
    episode: Instant
    notification: Name
    recipient: Name
    reached: bool
    reason: str


class Taken(Record, frozen=True, kw_only=True, tag="taken"):
    """Somebody took note of an episode: nobody else needs to be told of it. id: derived."""

    id: Name
    device: Name
    rule: Name
    episode: Instant
    by: Name
