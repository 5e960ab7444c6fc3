"""What is known of one recipient: what waits, what is being sent, what has left. Pure.

Instants are milliseconds after 1970 began, as Kafka stamps records.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

from schemas.decision import BEGAN, Severity
from schemas.delivery import Attempt, Covered, Expired, Failed, Message, Terms, Waits, attempt_id
from schemas.escalation import Unanswered
from schemas.record import derived_id, microseconds
from tables.limits import LONGEST_MS


class Waiting(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message that is not out yet.

    useful_ms: until when it is worth sending. not_before_ms: a try was in vain until then.
    held_ms: until when quiet hours or a silence hold it back. said: why it waits, as recorded.
    tries: how often it was tried; of them, failures: in vain; losses: taken and lost since.
    over: why it need not be told any more, while it is being sent or may have been; or empty.
    """

    message: Message
    terms: Terms
    useful_ms: int
    not_before_ms: int = 0
    held_ms: int = 0
    tries: int = 0
    said: str = ""
    failures: int = 0
    losses: int = 0
    over: str = ""

    @property
    def episode(self) -> str:
        """Return 32 hex digits that name the episode it tells of; empty if it tells of several."""
        told = self.message
        if told.episode is None:
            return ""
        return derived_id("episode", told.device, told.rule, str(microseconds(told.episode)))

    @property
    def urgent(self) -> bool:
        """Return whether it passes quiet hours."""
        return self.message.severity is Severity.CRITICAL

    def of(self, device: str, rule: str, episode: datetime | None) -> bool:
        """Return whether it tells of that episode; one that tells of several is of none."""
        told = self.message
        return episode is not None and (told.episode, told.device, told.rule) == (
            episode,
            device,
            rule,
        )

    def problem(self, device: str, rule: str, episode: datetime | None) -> bool:
        """Return whether it says that that episode lasts."""
        return self.message.kind in BEGAN and self.of(device, rule, episode)


class Text(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Messages that travel together, and their newest try.

    ordinal: of the try. read: its record was read back, so it may have begun.
    unsaid: lines on what was not told in time, which travel along, and how many there were.
    unsure_ms: since when an earlier try may have been sent. again_ms: when to try again.
    began_ms: when its record was read back. taken: it has left, as was said before its own outcome.
    """

    covers: tuple[Waiting, ...]
    ordinal: int
    read: bool = False
    unsaid: tuple[str, ...] = ()
    unsaid_count: int = 0
    unsure_ms: int | None = None
    again_ms: int = 0
    began_ms: int = 0
    taken: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the ids of its messages."""
        return tuple(each.message.id for each in self.covers)

    @property
    def name(self) -> str:
        """Return 32 hex digits that name it, the same when it is tried again."""
        return self.ids[0] if len(self.covers) == 1 else derived_id("text", *self.ids)

    @property
    def notifications(self) -> tuple[str, ...]:
        """Return the ids of what its messages tell."""
        return tuple(each.message.notification for each in self.covers)

    @property
    def attempt(self) -> str:
        """Return the id of its newest try."""
        return attempt_id(self.ids, self.ordinal)

    @property
    def told(self) -> tuple[Waiting, ...]:
        """Return those of its messages that still need to be told; all, if none does."""
        return tuple(each for each in self.covers if not each.over) or self.covers

    @property
    def over(self) -> bool:
        """Return whether none of it needs to be told any more."""
        return all(each.over for each in self.covers)

    @property
    def held_ms(self) -> int:
        """Return until when all of it is held back."""
        return min(each.held_ms for each in self.told)

    @property
    def useful_ms(self) -> int:
        """Return until when any of it is worth sending."""
        return max(each.useful_ms for each in self.told)

    def tried_as(self, attempt: str) -> bool:
        """Return whether ``attempt`` is its newest try, or an earlier one that may have sent it."""
        first = self.ordinal if self.unsure_ms is None else 1
        ordinals = range(self.ordinal, first - 1, -1)
        return any(attempt == attempt_id(self.ids, ordinal) for ordinal in ordinals)

    @property
    def named(self) -> dict[str, Any]:
        """Return what a record on ``deliveries`` about it begins with."""
        return named(tuple(each.message for each in self.covers))


class Trace(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A text that was sent a while ago: enough of it to know what a receipt is about."""

    attempt: str
    useful_ms: int
    notifications: tuple[str, ...]


class Contact(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One address.

    waiting: in order of queueing. flying: what is being sent; there is one at a time.
    unsure: what may have been sent, and is to be tried again.
    gone: what was sent last, so that it can be sent again when its provider says that it was lost.
    traces: of what was sent before that.
    left_ms: when the newest texts left. unsaid: what nobody was told in time, and is told of next.
    barred: why nothing is sent there, or empty; barred_ms: since when.
    grouping_ms: for which a second text waits. shut_ms: until when its provider wants nothing.
    unheard: episodes whose beginning never left, and until when each is remembered.
    """

    waiting: tuple[Waiting, ...] = ()
    flying: Text | None = None
    unsure: tuple[Text, ...] = ()
    gone: tuple[Text, ...] = ()
    left_ms: tuple[int, ...] = ()
    unsaid: tuple[str, ...] = ()
    unsaid_count: int = 0
    barred: str = ""
    grouping_ms: int = 0
    barred_ms: int = 0
    shut_ms: int = 0
    unheard: dict[str, int] = {}
    traces: tuple[Trace, ...] = ()

    def holds(self, notification: str) -> bool:
        """Return whether a message of ``notification`` is on its way, or has left."""
        texts = (*self.unsure, *self.gone, *((self.flying,) if self.flying else ()))
        covers = (*self.waiting, *(each for text in texts for each in text.covers))
        return any(each.message.notification == notification for each in covers)

    def idle(self, now_ms: int) -> bool:
        """Return whether nothing of it matters any more."""
        if self.waiting or self.flying or self.unsure or self.unsaid or self.barred:
            return False
        if any(until_ms >= now_ms for until_ms in self.unheard.values()):
            return False
        useful = [each.useful_ms for each in self.gone] + [each.useful_ms for each in self.traces]
        gone_ms = max(useful, default=0)
        return max(gone_ms, self.left_ms[-1] + LONGEST_MS if self.left_ms else 0) < now_ms


class Asked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A notification on which somebody may have to answer.

    message: the newest that told it. due_ms: when it is unanswered; None: it waits for nobody.
    until_ms: when it is forgotten. reached: how many texts of it were taken, and not lost since.
    """

    message: str
    recipient: str
    device: str
    rule: str
    episode: datetime
    due_ms: int | None
    until_ms: int
    reached: int = 0

    def of(self, device: str, rule: str, episode: datetime | None) -> bool:
        """Return whether it tells of that episode."""
        return (self.episode, self.device, self.rule) == (episode, device, rule)


class Outbox(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The stored state of one recipient.

    contacts: by channel and address. known: message ids, and until when each is remembered.
    asked: by notification. appended_ms: of the newest record. pruned_ms: when ids were forgotten.
    """

    v: Literal[1] = 1
    contacts: dict[str, Contact] = {}
    known: dict[str, int] = {}
    asked: dict[str, Asked] = {}
    appended_ms: int = 0
    pruned_ms: int = 0


Outcome = Attempt | Waits | Expired | Failed | Unanswered
Step = tuple[Contact, list[Outcome]]

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Outbox)
written = _encoder.encode
read = _decoder.decode


def ms_of(at: datetime) -> int:
    """Return ``at`` in milliseconds after 1970 began."""
    return round(at.timestamp() * 1_000)


def named(messages: tuple[Message, ...]) -> dict[str, Any]:
    """Return the fields of a delivery record that say which messages it is about."""
    first = messages[0]
    return {
        "message": first.id,
        "notification": first.notification,
        "recipient": first.recipient,
        "channel": first.channel,
        "also": tuple(Covered(each.id, each.notification) for each in messages[1:]),
    }
