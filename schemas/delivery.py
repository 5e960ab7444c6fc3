"""One text to one address, and what became of it.

Topics ``email``, ``sms`` and ``push`` hold messages, ``deliveries`` what became of them; all are
keyed by recipient. Times on ``deliveries`` are the broker's append times.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from schemas import gsm
from schemas.decision import Kind, Severity
from schemas.events import Ordinal
from schemas.record import Count, Instant, Name, Record, derived_id

Seconds = Annotated[float, msgspec.Meta(ge=0, le=366 * 86_400)]
HourMinute = Annotated[str, msgspec.Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Channel(StrEnum):
    """How a message travels; also the name of its topic."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"


class Message(Record, frozen=True, kw_only=True, tag="message"):
    """One message to one address.

    id: derived from notification, recipient, channel and address: sent again, it is the same.
    notification: the id of the decision it tells. at: when that took effect.
    episode: when what it tells began; None: it tells of several.
    useful_until: after this instant nobody is helped by it.
    unanswered_after: seconds after which somebody else is told if nobody has answered; None: never.
    language: of the text, an ISO 639-1 code. short: the text in one line, for a message of several.
    """

    id: Name
    notification: Name
    device: Name
    rule: Name
    kind: Kind
    severity: Severity
    recipient: Name
    channel: Channel
    address: Name
    subject: str
    text: str
    at: Instant
    useful_until: Instant
    episode: Instant | None = None
    unanswered_after: Seconds | None = None
    language: str = "en"
    short: str = ""


class Quiet(msgspec.Struct, frozen=True):
    """When somebody wants to hear only what is critical: local times in the zone ``tz``."""

    from_: HourMinute = msgspec.field(name="from")
    to: HourMinute
    tz: Name


class Silenced(msgspec.Struct, frozen=True):
    """An operator wants nothing to be told until then. revision: of the directory that says so."""

    id: Name
    until: Instant
    author: Name
    revision: Count = 0


class Terms(msgspec.Struct, frozen=True):
    """On what terms somebody is told at one address, as they were when a message was queued.

    grouping: seconds for which a second message waits, so that it takes others along.
    barred: why nothing may be sent there, or empty. verified: when it was last shown to work.
    """

    quiet: Quiet | None = None
    silenced: Silenced | None = None
    grouping: Seconds = 120.0
    barred: str = ""
    verified: Instant | None = None


class Queued(Record, frozen=True, kw_only=True, tag="queued"):
    """A message is to be sent when ``terms`` allow it."""

    message: Message
    terms: Terms


class Covered(msgspec.Struct, frozen=True, array_like=True):
    """A further message that travels in the same text."""

    message: Name
    notification: Name


class DeliveryRecord(Record, frozen=True, kw_only=True):
    """A step in the life of messages that travel together: the first, and ``also`` the others.

    attempt: which try it was part of, or what became of; empty: none, or one of the device's own.
    """

    message: Name
    notification: Name
    recipient: Name
    channel: Channel
    also: tuple[Covered, ...] = ()
    attempt: str = ""

    @property
    def messages(self) -> tuple[str, ...]:
        """Return the ids of all that it is about."""
        return (self.message, *(each.message for each in self.also))

    @property
    def notifications(self) -> tuple[str, ...]:
        """Return the ids of what they tell, one for each of them."""
        return (self.notification, *(each.notification for each in self.also))


class Waits(DeliveryRecord, frozen=True, kw_only=True, tag="waits"):
    """It is not sent yet: not before ``until``, as things stand now."""

    until: Instant
    reason: str


class Attempt(DeliveryRecord, frozen=True, kw_only=True, tag="attempt"):
    """It is about to be handed to a provider, for the ``ordinal``-th time."""

    ordinal: Ordinal


class Sent(DeliveryRecord, frozen=True, kw_only=True, tag="sent"):
    """The provider took it. reference: its name there.

    parts, alphabet: of a text message; by these it is paid for.
    """

    reference: str
    parts: int = 0
    alphabet: str = ""

    @property
    def shown(self) -> str:
        """Return its name there, and what it is paid for by."""
        if not self.parts:
            return self.reference
        return f"{self.reference} ({gsm.Size(self.parts, self.alphabet)})"


class Delivered(DeliveryRecord, frozen=True, kw_only=True, tag="delivered"):
    """It has arrived, the provider says. reference: its name there."""

    reference: str


class Failed(DeliveryRecord, frozen=True, kw_only=True, tag="failed"):
    """It was surely not sent.

    again: it may be tried again, not before ``after`` seconds have passed.
    counts: whether to wait longer after each; if not, it was the channel's own fault.
    dead: nothing is to be sent to that address any more.
    """

    reason: str
    again: bool = False
    after: Seconds = 0.0
    counts: bool = True
    dead: bool = False


class Unknown(DeliveryRecord, frozen=True, kw_only=True, tag="unknown"):
    """It may have been sent: nobody answered."""

    reason: str


class Expired(DeliveryRecord, frozen=True, kw_only=True, tag="expired"):
    """It was no longer worth sending, and was not sent."""

    reason: str


class Acknowledged(Record, frozen=True, kw_only=True, tag="acknowledged"):
    """Somebody has taken note of an episode: nobody else needs to be told of it."""

    device: Name
    rule: Name
    episode: Instant
    by: Name


class Unsilenced(Record, frozen=True, kw_only=True, tag="unsilenced"):
    """What held back ``rule`` on ``device`` was ended early.

    silenced: what holds it back now; None: nothing.
    """

    device: Name
    rule: Name
    silenced: Silenced | None = None


class OutboxTick(Record, frozen=True, kw_only=True, tag="outbox_tick"):
    """Nothing happened, and it is now the time at which this was appended."""


Delivery = Waits | Attempt | Sent | Delivered | Failed | Unknown | Expired
OutboxEvent = Queued | Delivery | Acknowledged | Unsilenced | OutboxTick


def message_id(notification: str, recipient: str, channel: Channel, address: str) -> str:
    """Return 32 hex digits that name the message, the same wherever it is derived."""
    return derived_id(notification, recipient, channel, address)


def attempt_id(messages: tuple[str, ...], ordinal: int) -> str:
    """Return 32 hex digits that name a try at sending ``messages``, wherever it is derived."""
    return derived_id("attempt", *messages, str(ordinal))
