"""One text to one address, and what became of it.

Topics ``email``, ``sms`` and ``push`` hold messages, ``deliveries`` their outcomes; all are keyed
by recipient.
"""

from enum import StrEnum

from schemas.decision import Kind, Severity
from schemas.events import Ordinal
from schemas.record import Instant, Name, Record, derived_id


class Channel(StrEnum):
    """How a message travels; also the name of its topic."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"


class Message(Record, frozen=True, kw_only=True, tag="message"):
    """One message to one address.

    id: derived from notification, recipient, channel and address: sent again, it is the same.
    notification: the id of the decision it tells. at: when that took effect.
    useful_until: after this instant nobody is helped by it.
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


class DeliveryRecord(Record, frozen=True, kw_only=True):
    """A step in the life of one message; its time is the broker's append time."""

    message: Name
    notification: Name
    recipient: Name
    channel: Channel


class Attempt(DeliveryRecord, frozen=True, kw_only=True, tag="attempt"):
    """It is about to be handed to a provider, for the ``ordinal``-th time."""

    ordinal: Ordinal


class Sent(DeliveryRecord, frozen=True, kw_only=True, tag="sent"):
    """The provider took it. reference: its name there."""

    reference: str


class Failed(DeliveryRecord, frozen=True, kw_only=True, tag="failed"):
    """The provider refused it."""

    reason: str


class Unknown(DeliveryRecord, frozen=True, kw_only=True, tag="unknown"):
    """It may have been sent: nobody answered."""

    reason: str


class Expired(DeliveryRecord, frozen=True, kw_only=True, tag="expired"):
    """It was no longer worth sending, and was not sent."""

    reason: str


Delivery = Attempt | Sent | Failed | Unknown | Expired


def message_id(notification: str, recipient: str, channel: Channel, address: str) -> str:
    """Return 32 hex digits that name the message, the same wherever it is derived."""
    return derived_id(notification, recipient, channel, address)
