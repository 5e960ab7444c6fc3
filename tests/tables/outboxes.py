"""An outbox with everything around it: what it writes comes back, and a provider answers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from schemas.decision import Kind, Severity
from schemas.delivery import (
    Attempt,
    Channel,
    Failed,
    Message,
    OutboxEvent,
    OutboxTick,
    Queued,
    Sent,
    Terms,
    Unknown,
    message_id,
)
from schemas.escalation import Unanswered
from schemas.record import microseconds
from tables import outbox, outbox_state
from tables.outbox_state import Outcome

DAWN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ADDRESSES = {
    Channel.SMS: "+15550100",
    Channel.EMAIL: "ann@example.com",
    Channel.PUSH: "registration",
}
NOTHING = Terms(grouping=0.0)


def ms(at: datetime) -> int:
    """Return ``at`` as Kafka stamps records."""
    return microseconds(at) // 1_000


def message(
    number: int,
    *,
    kind: Kind = Kind.FIRED,
    severity: Severity = Severity.WARNING,
    channel: Channel = Channel.SMS,
    episode: int | None = None,
    useful: timedelta = timedelta(minutes=30),
    unanswered_after: float | None = None,
    at: datetime = DAWN,
) -> Message:
    """Return message ``number``; ``episode``: the number of its first, by default its own."""
    notification = f"n{number}"
    address = ADDRESSES[channel]
    return Message(
        id=message_id(notification, "ann", channel, address),
        notification=notification,
        device="home",
        rule="grid_lost",
        kind=kind,
        severity=severity,
        recipient="ann",
        channel=channel,
        address=address,
        subject=f"subject {number}",
        text=f"text {number}",
        at=at,
        useful_until=at + useful,
        episode=DAWN + timedelta(seconds=number if episode is None else episode),
        unanswered_after=unanswered_after,
        short=f"short {number}",
    )


def alone(number: int, channel: Channel = Channel.EMAIL) -> Message:
    """Return a message of now to somebody whom nothing else is told; it is useful for long."""
    person, now = f"person-{number}", datetime.now(UTC).replace(microsecond=0)
    address = {
        Channel.EMAIL: f"{person}@example.com",
        Channel.SMS: f"+1555{number:07}",
        Channel.PUSH: f"token-{number}",
    }[channel]
    return msgspec.structs.replace(
        message(number, channel=channel, at=now),
        id=message_id(f"n{number}", person, channel, address),
        recipient=person,
        address=address,
        useful_until=now + timedelta(hours=12),
    )


def sending(attempt: Attempt) -> Sent:
    """Return the answer of a provider that takes everything."""
    return Sent(**became(attempt), reference="there")


def refusing(reason: str = "no", **how: Any) -> Callable[[Attempt], Failed]:
    """Return a provider that takes nothing."""
    return lambda attempt: Failed(**became(attempt), reason=reason, **how)


def losing(attempt: Attempt) -> Unknown:
    """Return the answer of a provider that gives none."""
    return Unknown(**became(attempt), reason="timeout")


def became(attempt: Attempt) -> dict[str, Any]:
    """Return the fields in which an outcome is like its attempt."""
    fields = ("message", "notification", "recipient", "channel", "also", "attempt")
    return {field: getattr(attempt, field) for field in fields}


class Box:
    """One recipient. now: the append time. log: what was folded. wrote: what it decided."""

    def __init__(self, provider: Callable[[Attempt], Sent | Failed | Unknown] = sending) -> None:
        """Begin empty; attempts are answered by ``provider`` a second later."""
        self.provider = provider
        self.now = DAWN
        self.state = outbox_state.Outbox()
        self.log: list[tuple[OutboxEvent, int]] = []
        self.wrote: list[tuple[datetime, Outcome]] = []
        self.attempts: list[tuple[datetime, Attempt]] = []

    def queue(self, *messages: Message, terms: Terms = NOTHING) -> None:
        """Queue ``messages`` now, one after the other."""
        for each in messages:
            self.fold(Queued(message=each, terms=terms))

    def fold(self, event: OutboxEvent) -> None:
        """Fold ``event``, and what it brings about, now."""
        self.log.append((event, ms(self.now)))
        before = self.state
        self.state, outcomes = outbox.take(before, event, ms(self.now))
        self.state = outbox_state.read(outbox_state.written(self.state))
        if isinstance(event, Attempt) and _flying(self.state, event) and not _flying(before, event):
            self.attempts.append((self.now, event))
            self.now += timedelta(seconds=1)
            self.fold(self.provider(event))
        for outcome in outcomes:
            self.wrote.append((self.now, outcome))
            if not isinstance(outcome, Unanswered):
                self.fold(outcome)

    def until(self, at: datetime) -> None:
        """Let time pass, with a tick whenever the outbox asks for one."""
        while (wake := outbox.wake_ms(self.state)) is not None and wake <= ms(at):
            self.now = max(self.now, DAWN + timedelta(milliseconds=wake - ms(DAWN)))
            self.fold(OutboxTick())
        self.now = max(self.now, at)

    def after(self, **span: float) -> None:
        """Let time pass."""
        self.until(self.now + timedelta(**span))

    @property
    def left(self) -> list[tuple[float, tuple[str, ...]]]:
        """Return what was tried, and when in seconds: the numbers of its messages."""
        return [
            ((at - DAWN).total_seconds(), tuple(each.removeprefix("n") for each in told))
            for at, attempt in self.attempts
            for told in [attempt.notifications]
        ]

    def said(self, kind: type[Outcome]) -> list[tuple[str, tuple[str, ...]]]:
        """Return what it wrote of ``kind``: the reason, and the notifications."""
        return [
            (each.reason, (each.notification,))
            if isinstance(each, Unanswered)
            else (getattr(each, "reason", ""), each.notifications)
            for _, each in self.wrote
            if isinstance(each, kind)
        ]


def _flying(state: outbox_state.Outbox, attempt: Attempt) -> bool:
    return any(
        each.flying is not None and each.flying.read and each.flying.attempt == attempt.attempt
        for each in state.contacts.values()
    )


def replayed(log: list[tuple[OutboxEvent, int]]) -> outbox_state.Outbox:
    """Return the state that ``log`` leads to."""
    state = outbox_state.Outbox()
    for event, at_ms in log:
        state, _ = outbox.take(state, event, at_ms)
    return outbox_state.read(outbox_state.written(state))


def contact(state: outbox_state.Outbox, channel: Channel = Channel.SMS) -> outbox_state.Contact:
    """Return the contact on ``channel``."""
    return state.contacts[outbox.key_of(channel, ADDRESSES[channel])]


def of(kind: Kind, first: Message, number: int) -> Message:
    """Return message ``number`` of the episode of ``first``."""
    fresh = message(number, kind=kind, channel=first.channel, at=first.at)
    return msgspec.structs.replace(fresh, episode=first.episode, severity=first.severity)
