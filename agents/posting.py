"""Folds ``deliveries`` into the outboxes, sends what they decide, and wakes them when it is time.

I/O begins only when the attempt at it was read back as the first with its id, and after an
assignment not before the partition was folded to the end that it had then: what was begun before
that, by whoever it was, is ``unknown``.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property

import structlog

from agents.composing import outgoing
from agents.courier import Courier, Ready, Ticket
from agents.parking import Unfit, parked, parsed
from agents.people import people
from agents.silencing import Silencing
from app import providers
from app.providers.provider import one_line
from app.receipts import links
from app.receipts.links import Links
from app.stream import apps
from app.stream.batches import Batch, KafkaRecord
from app.stream.producer import Send, send_all
from schemas import codec, topics
from schemas.delivery import (
    Acknowledged,
    Attempt,
    Channel,
    Delivery,
    Failed,
    OutboxEvent,
    OutboxTick,
    Queued,
    Unknown,
    Unsilenced,
)
from schemas.escalation import Unanswered
from tables import outbox, outbox_state
from tables.outbox_state import Outbox, Outcome
from tables.states import outboxes
from tables.wheel import Key, Wheel

Dead = tuple[Channel, str, str, int]  # an address, why it is dead, and since when in ms
Suppress = Callable[[Channel, str, str, int], None]
log = structlog.get_logger()
AGAIN_S = 1  # after which a tick is written again, if the one before was not folded meanwhile


class Folded:
    """What the records of one batch come to."""

    def __init__(self) -> None:
        self.kept: dict[bytes, tuple[int, Outbox]] = {}
        self.sends: list[Send] = []
        self.begun: list[tuple[int, Ticket]] = []
        self.dead: list[Dead] = []


class Post:
    """The outboxes of the partitions that are ours."""

    def __init__(
        self, ends: Callable[[], Awaitable[Mapping[int, int]]], suppress: Suppress
    ) -> None:
        """Begin with nothing known: the tables are not recovered yet.

        ends: where the partitions that are ours end. suppress: sees to it that route no longer
        counts on an address that is dead.
        """
        self._where = ends
        self._suppress = suppress
        self.silencing = Silencing(lambda key: self._read(*key)[1])
        self._wheel = Wheel()
        self._wakes: dict[Key, int] = {}
        self._ends: dict[int, int] = {}  # where each partition ended when it became ours
        self._settled: set[int] = set()
        self._begun: dict[int, list[tuple[int, Ticket]]] = {}  # by offset, until that is so

    @cached_property
    def couriers(self) -> dict[Channel, Courier]:
        """Return who sends, by channel; made when first needed, which other apps never do."""
        return {
            channel: Courier(providers.create(channel, apps.SETTINGS), self._find, self._tell)
            for channel in Channel
        }

    @cached_property
    def links(self) -> Links:
        """Return where receipts come to."""
        return links.of(apps.SETTINGS)

    async def __call__(self, batch: Batch) -> None:
        """Fold ``batch``: write what was decided, store the states, let begin what may."""
        if batch.partition not in self._ends:  # before anything of ours is written there
            end = (await self._where()).get(batch.partition)
            if end is not None:  # else it is being taken from us
                self._ends[batch.partition] = end
        folded = Folded()
        for record in batch.records:
            try:
                self._fold(folded, batch.partition, record)
            except Unfit as unfit:
                folded.sends.append(parked(batch, record, str(unfit)))
        await send_all(apps.deliver, folded.sends)
        states = {
            key: (at, outbox_state.written(state)) for key, (at, state) in folded.kept.items()
        }
        await outboxes.store(batch.partition, states)
        for key, (_, state) in folded.kept.items():
            self._wake((batch.partition, key), state)
        for each in folded.dead:
            self._suppress(*each)
        self._begun.setdefault(batch.partition, []).extend(folded.begun)
        if batch.partition in self._settled:
            self._let_begin(batch.partition)

    def _fold(self, folded: Folded, partition: int, record: KafkaRecord) -> None:
        """Add to ``folded`` what ``record`` comes to."""
        event, key = parsed(codec.outbox_event, record), _key(record)
        folded_to, before = folded.kept.get(key) or self._read(partition, key)
        if record.offset <= folded_to:  # a redelivery: its effects are stored
            return
        after, outcomes = _taken(before, event, record)
        folded.kept[key] = (record.offset, after)
        folded.sends += [_send(partition, key, each) for each in outcomes]
        if isinstance(event, Attempt):
            ticket = _begins(partition, key, before, after, event)
            folded.begun += [] if ticket is None else [(record.offset, ticket)]
        elif not isinstance(event, Queued | Acknowledged | Unsilenced | OutboxTick):
            self.couriers[event.channel].running.discard(event.attempt)
        if isinstance(event, Failed) and event.dead:
            folded.dead += _dead(after, record.timestamp)

    def rebuild(self) -> None:
        """Look at everything that the table holds: it has been recovered."""
        self._wheel, self._wakes = Wheel(), {}
        self.silencing = Silencing(lambda key: self._read(*key)[1])
        self._ends, self._settled, self._begun = {}, set(), {}
        for partition, keys in outboxes.held().items():
            for key in keys:
                state = self._read(partition, key)[1]
                self._wake((partition, key), state)
                for each in _dead(state):  # it may not have come to that
                    self._suppress(*each)

    def look(self, ends: Mapping[int, int], handled: Mapping[int, int], now_s: float) -> list[Send]:
        """Return what is to be written now.

        ends: where the partitions that are ours end. handled: how far each was folded.
        """
        sends: list[Send] = []
        for partition, end in ends.items():
            read_to = self._ends.setdefault(partition, end)
            if partition not in self._settled and handled[partition] >= read_to:
                sends += self._settle(partition, read_to)
        for key, second in self._wheel.due(int(now_s)):
            if self._wakes.get(key) != second:  # it was put further on meanwhile
                continue
            del self._wakes[key]
            if key[0] in ends:
                self._put(key, int(now_s) + AGAIN_S)
                value = codec.encode(OutboxTick())
                sends.append(Send(topics.DELIVERIES, key[1], value, key[0]))
        return sends

    def _settle(self, partition: int, read_to: int) -> list[Send]:
        """Let begin what was decided since ``partition`` is ours; the rest is ``unknown``."""
        self._settled.add(partition)
        later = [each for each in self._begun.get(partition, ()) if each[0] >= read_to]
        self._begun[partition] = later
        ours = {ticket.attempt for _, ticket in later}
        sends: list[Send] = []
        for key in outboxes.held().get(partition, ()):
            state = self._read(partition, key)[1]
            for name, contact in state.contacts.items():
                text = contact.flying
                if text is None or not text.read or text.attempt in ours:
                    continue
                if text.attempt not in self.couriers[outbox.channel_of(name)].running:
                    reason = "whoever sent it did not say what became of it"
                    unknown = Unknown(**text.named, attempt=text.attempt, reason=reason)
                    sends.append(_send(partition, key, unknown))
        self._let_begin(partition)
        return sends

    def _let_begin(self, partition: int) -> None:
        for _, ticket in self._begun.pop(partition, ()):
            self.couriers[outbox.channel_of(ticket.contact)].take(ticket)

    def _wake(self, key: Key, state: Outbox) -> None:
        self.silencing.note(key, state)
        at_ms = outbox.wake_ms(state)
        if at_ms is None:
            self._wakes.pop(key, None)
        else:
            self._put(key, -(-at_ms // 1_000))

    def _put(self, key: Key, second: int) -> None:
        if self._wakes.get(key) != second:
            self._wakes[key] = second
            self._wheel.add(key, second)

    def _find(self, ticket: Ticket) -> Ready | Failed | None:
        """Return the text that ``ticket`` names, or why not; None: it is not ours any more."""
        contact = self._read(ticket.partition, ticket.key)[1].contacts.get(ticket.contact)
        text = None if contact is None else contact.flying
        if text is None or text.attempt != ticket.attempt:
            return None
        named = text.named | {"attempt": text.attempt}
        channel, address = outbox.channel_of(ticket.contact), outbox.address_of(ticket.contact)
        suppressed = people.suppressed(channel, address)
        if suppressed is not None:  # since it was queued; the directory may let it go again
            return Failed(**named, reason=suppressed)
        links = self.links
        try:
            return Ready(ticket, outgoing(text, links), text.named)
        except Exception as error:  # an operator's template: no other text's trouble
            log.exception("text_unwritten", attempt=text.attempt)
            reason = one_line(f"it could not be written: {type(error).__name__}: {error}")
            return Failed(**named, reason=reason)

    async def _tell(self, became: Sequence[tuple[Ticket, Delivery]]) -> None:
        for ticket, delivery in became:
            log.info("text", attempt=ticket.attempt, became=delivery.__struct_config__.tag)
        sends = [_send(ticket.partition, ticket.key, delivery) for ticket, delivery in became]
        await send_all(apps.deliver, sends)

    @staticmethod
    def _read(partition: int, key: bytes) -> tuple[int, Outbox]:
        folded_to, state = outboxes.read(partition, key)
        return folded_to, Outbox() if state is None else outbox_state.read(state)


def _key(record: KafkaRecord) -> bytes:
    if record.key is None:
        raise Unfit("it has no key, which is its recipient")
    return record.key


def _taken(before: Outbox, event: OutboxEvent, record: KafkaRecord) -> tuple[Outbox, list[Outcome]]:
    try:
        return outbox.take(before, event, record.timestamp)
    except Exception as error:  # whatever one record does, the rest goes on
        log.exception("fold_failed", topic=topics.DELIVERIES, offset=record.offset)
        raise Unfit(f"could not be folded: {error!r}") from None


def _begins(
    partition: int, key: bytes, before: Outbox, after: Outbox, attempt: Attempt
) -> Ticket | None:
    """Return what may begin now that ``attempt`` was read back for the first time."""
    for name, contact in after.contacts.items():
        text = contact.flying
        if text is not None and text.read and text.attempt == attempt.attempt:
            if before.contacts[name].flying == text:
                return None  # a copy of it
            last = text.covers[-1].message
            kin = f"{last.rule} {last.kind} {last.at:%Y-%m-%dT%H:%M:%S}"
            return Ticket(partition, key, name, attempt.attempt, kin)
    return None


def _dead(state: Outbox, since_ms: int = 1) -> list[Dead]:
    """Return the addresses at which nothing is sent any more, since ``since_ms`` or later."""
    return [
        (outbox.channel_of(name), outbox.address_of(name), contact.barred, contact.barred_ms)
        for name, contact in state.contacts.items()
        if contact.barred and contact.barred_ms >= since_ms
    ]


def _send(partition: int, key: bytes, record: Outcome | Delivery) -> Send:
    value = codec.encode(record)
    if isinstance(record, Unanswered):
        return Send(topics.NOTIFICATIONS, record.device.encode(), value)
    return Send(topics.DELIVERIES, key, value, partition)
