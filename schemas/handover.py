"""What became of decisions that a device might have to text itself. Topic ``notifications``.

A decision is ``held`` (a record header) while its device may have more to say; then it is released,
or the device has claimed it. Ids are derived from device, stream and the record that revealed it.
"""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from schemas.decision import Decision
from schemas.escalation import Taken, Unanswered
from schemas.events import EdgeEvent, Numbers, Texted
from schemas.record import Count, Name, Record, derived_id


class Held(msgspec.Struct, frozen=True):
    """A decision that nobody is told of yet: on the topic it is a decision with a header."""

    decision: Decision


class HandoverRecord(Record, frozen=True, kw_only=True):
    """id: 32 hex digits, derived."""

    id: Name
    device: Name


class Released(HandoverRecord, frozen=True, kw_only=True, tag="released"):
    """The device has told all it knew, and ``decision`` is the servers' to tell.

    afresh: it was too old to help, but it still holds: its usefulness counts from here.
    """

    decision: Decision
    afresh: bool


class Digest(HandoverRecord, frozen=True, kw_only=True, tag="digest"):
    """What was too old when the servers heard of it, and is over: told in one message.

    The oldest of more than they could hold may be there too, whether or not it is over.

    decisions: oldest first. unlisted: how many older ones there were.
    """

    stream: Name
    decisions: Annotated[tuple[Decision, ...], msgspec.Meta(min_length=1, max_length=100)]
    unlisted: Count


class Claimed(HandoverRecord, frozen=True, kw_only=True, tag="claimed"):
    """The device texts ``decision`` to ``numbers`` itself; everybody else is told as usual.

    possible_double: those may hear of it twice.
    """

    decision: Decision
    numbers: Numbers
    possible_double: bool


class Answered(HandoverRecord, frozen=True, kw_only=True, tag="answered"):
    """What became of the texts of a claim, by number. notification: the decision's id."""

    notification: Name
    outcomes: dict[Name, Texted]
    reason: str


class Adopted(HandoverRecord, frozen=True, kw_only=True, tag="adopted"):
    """The device decides these rules by itself, from here on.

    rules: of both streams, every key, as in its ``policy``.
    """

    rules: tuple[dict[str, Any], ...]


Handover = Released | Digest | Claimed | Answered | Adopted
Notification = Decision | Handover | Unanswered | Taken
Outcome = Decision | Held | Handover  # of a fold: what goes on the topic, in order


def decided(outcomes: Iterable[Outcome]) -> list[Decision]:
    """Return the decisions among ``outcomes``, held ones too."""
    told = (each.decision if isinstance(each, Held) else each for each in outcomes)
    return [each for each in told if isinstance(each, Decision)]


def handover_id(kind: str, event: EdgeEvent, stream: str, notification: str = "") -> str:
    """Return 32 hex digits that name what ``event`` revealed, the same wherever it is derived."""
    # The run too: a spool that was rolled back uses its numbers anew.
    place = (stream, event.epoch, event.run, str(event.seq))
    return derived_id(kind, event.device, *place, notification)
