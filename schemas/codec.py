"""Records to bytes and back. All wire knowledge is here."""

from typing import TypeVar, get_args

import msgspec

from schemas.decision import Decision
from schemas.delivery import (
    Acknowledged,
    Attempt,
    Delivered,
    Expired,
    Failed,
    Message,
    OutboxEvent,
    OutboxTick,
    Queued,
    Sent,
    Unknown,
    Unsilenced,
    Waits,
)
from schemas.escalation import Taken, Unanswered
from schemas.events import (
    Active,
    Claim,
    Clock,
    Context,
    EnergyEvent,
    Policy,
    Reading,
    Sim,
    SupplyEvent,
    Tick,
    Transition,
    Window,
)
from schemas.handover import Adopted, Answered, Claimed, Digest, Notification, Released
from schemas.liveness import Gap, Heard, LivenessEvent, LivenessTick, Silent
from schemas.malformed import Malformed
from schemas.record import Record
from schemas.rules import RuleVersion

T = TypeVar("T")

AnyRecord = (
    Transition
    | Reading
    | Context
    | Tick
    | Clock
    | Policy
    | Claim
    | Sim
    | Window
    | Active
    | Malformed
    | Decision
    | Released
    | Digest
    | Claimed
    | Answered
    | Adopted
    | Unanswered
    | Taken
    | Message
    | Queued
    | Waits
    | Attempt
    | Sent
    | Delivered
    | Failed
    | Unknown
    | Expired
    | Acknowledged
    | Unsilenced
    | OutboxTick
    | Silent
    | Heard
    | LivenessTick
    | Gap
    | RuleVersion
)
RECORDS: tuple[type[Record], ...] = get_args(AnyRecord)

encode = msgspec.json.Encoder().encode

any_record: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(AnyRecord)
supply_event: msgspec.json.Decoder[SupplyEvent] = msgspec.json.Decoder(SupplyEvent)
energy_event: msgspec.json.Decoder[EnergyEvent] = msgspec.json.Decoder(EnergyEvent)
notification: msgspec.json.Decoder[Notification] = msgspec.json.Decoder(Notification)
message: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
liveness_event: msgspec.json.Decoder[LivenessEvent] = msgspec.json.Decoder(LivenessEvent)
rule_version: msgspec.json.Decoder[RuleVersion] = msgspec.json.Decoder(RuleVersion)
outbox_event: msgspec.json.Decoder[OutboxEvent] = msgspec.json.Decoder(OutboxEvent)


class Unreadable(msgspec.Struct, frozen=True):
    """Bytes no decoder could read, kept whole, with the reason."""

    payload: bytes
    reason: str


def decode(decoder: msgspec.json.Decoder[T], payload: bytes | None) -> T | Unreadable:
    """Return the record in ``payload``, or Unreadable. Never raises."""
    if payload is None:
        return Unreadable(b"", "the record has no value")
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Unreadable(payload, str(error))
