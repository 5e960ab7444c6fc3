"""The outbox of one recipient: what is sent now, what waits and until when. Pure.

It folds ``deliveries`` alone, and time is append time, so that what it decided can be replayed. A
text leaves when nothing bars it: the address works, nobody silenced it, its owner does not sleep,
nothing else left a moment ago, no cap is reached. What waits meanwhile travels along.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from schemas.decision import BEGAN, Kind
from schemas.delivery import (
    Acknowledged,
    Attempt,
    Channel,
    Delivered,
    Delivery,
    Expired,
    Failed,
    Message,
    OutboxEvent,
    OutboxTick,
    Queued,
    Sent,
    Unknown,
    Unsilenced,
)
from schemas.escalation import Unanswered
from schemas.record import derived_id
from tables import outbox_contact as contacts
from tables import outbox_tried as tried
from tables.outbox_state import Asked, Contact, Outbox, Outcome, Step, Text, Trace, Waiting, ms_of

REMEMBERED_MS = 24 * 3_600_000  # after its usefulness: no copy of a message comes later
PRUNE_EVERY_MS = 600_000
MOST_KNOWN = 5_000
replace = msgspec.structs.replace


def take(outbox: Outbox, event: OutboxEvent, appended_ms: int) -> tuple[Outbox, list[Outcome]]:
    """Return the state after ``event``, appended at ``appended_ms``, and what is to be written."""
    step = _Step(outbox, max(appended_ms, outbox.appended_ms))
    match event:
        case Queued():
            step.queue(event)
        case OutboxTick():
            for key in outbox.contacts:
                step.look(key)
        case Acknowledged():
            step.acknowledge(event)
        case Unsilenced():
            step.unsilence(event)
        case _:
            step.became(event)
    return step.done()


def wake_ms(outbox: Outbox) -> int | None:
    """Return when to look at it next, if nothing happens before; None: never."""
    at = [each.due_ms for each in outbox.asked.values() if each.due_ms is not None]
    for key, contact in outbox.contacts.items():
        woken_ms = contacts.wake_ms(channel_of(key), contact)
        if woken_ms is not None:
            at.append(woken_ms)
    return min(at, default=None)


def key_of(channel: Channel, address: str) -> str:
    """Return by what the contact at ``address`` is known in an outbox."""
    return f"{channel.value} {address}"


def channel_of(key: str) -> Channel:
    """Return the channel of the contact that is known as ``key``."""
    return Channel(key.partition(" ")[0])


def address_of(key: str) -> str:
    """Return the address of the contact that is known as ``key``."""
    return key.partition(" ")[2]


class _Step:
    """One event, folded. What is replaced is copied first."""

    def __init__(self, outbox: Outbox, now_ms: int) -> None:
        self._before = outbox
        self._now_ms = now_ms
        self._contacts, self._known, self._asked = outbox.contacts, outbox.known, outbox.asked
        self._outcomes: list[Outcome] = []

    def queue(self, queued: Queued) -> None:
        message = queued.message
        if message.id in self._known:
            return
        useful_ms = ms_of(message.useful_until)
        self._remember(message.id, max(useful_ms, self._now_ms) + REMEMBERED_MS)
        if message.kind is Kind.RESOLVED and message.episode is not None:
            self._nobody_asked(message.device, message.rule, message.episode)
        silenced = queued.terms.silenced
        self._ask(message, useful_ms, 0 if silenced is None else ms_of(silenced.until))
        key = key_of(message.channel, message.address)
        contact = self._contacts.get(key) or Contact()
        waiting = Waiting(message, queued.terms, useful_ms)
        self._put(key, contacts.queue(contact, waiting))
        self.look(key)

    def look(self, key: str) -> None:
        before = self._contacts[key].unsure
        self._put(key, contacts.look(channel_of(key), self._contacts[key], self._now_ms))
        for text in before or ():
            if text.useful_ms < self._now_ms:
                self._given_up(text.notifications, "it is not known whether it was sent")

    def acknowledge(self, by: Acknowledged) -> None:
        self._nobody_asked(by.device, by.rule, by.episode)
        for key, contact in self._contacts.items():
            step = contacts.acknowledge(contact, by.device, by.rule, by.episode, by.by)
            self._put(key, step)
            self.look(key)  # what was about to be tried again may be gone

    def unsilence(self, by: Unsilenced) -> None:
        told_ms = self._now_ms if by.silenced is None else ms_of(by.silenced.until)
        for key, contact in self._contacts.items():
            freed, changed = contacts.unsilence(contact, by, self._now_ms)
            self._put(key, (freed, []))
            for each in changed:
                asked = self._asked.get(each.message.notification)
                if asked is not None and asked.due_ms is not None:  # it counts from now on
                    self._asked = {
                        **self._asked,
                        each.message.notification: replace(asked, due_ms=None),
                    }
                    self._ask(each.message, each.useful_ms, told_ms)
            self.look(key)

    def became(self, record: Delivery) -> None:
        found = self._find(record)
        if found is None:
            return
        key, contact, what = found
        if isinstance(what, Trace):
            step = self._traced(contact, what, record)
        else:
            step = self._tried(channel_of(key), contact, what, record)
        if step is None:
            return
        self._put(key, step)
        if isinstance(record, Attempt):  # nothing has become of it yet
            return
        self.look(key)
        if isinstance(record, Failed):
            self._given_up(what.notifications, record.reason)

    def _tried(
        self, channel: Channel, contact: Contact, text: Text, record: Delivery
    ) -> Step | None:
        """Return what ``record`` makes of ``contact``, which knows ``text``; None: nothing."""
        now_ms, own = self._now_ms, record.attempt == text.attempt
        flying, gone = text is contact.flying, text in contact.gone
        step: Step | None = None
        match record:
            case Attempt() if flying and own:
                step = tried.began(contact, text, now_ms), []
            case Sent() if gone:
                pass
            case Sent() if own or not flying:
                self._reached(text.notifications, 0 if text.taken else 1)
                step = tried.sent(channel, contact, text, now_ms), []
            case Sent() | Delivered():
                self._reached(text.notifications, 0 if text.taken or gone else 1)
                step = tried.delivered(contact, text), []
            case Failed() if gone:
                self._reached(text.notifications, -1)
                step = tried.lost(contact, text, record, now_ms)
            case Failed() if own or record.dead:
                step = tried.failed(contact, text, record, now_ms)
            case Unknown() if flying and own:
                step = tried.unsure(channel, contact, text, now_ms)
        return step

    def _traced(self, contact: Contact, trace: Trace, record: Delivery) -> Step | None:
        if not isinstance(record, Delivered | Failed):
            return None
        self._reached(trace.notifications, -1 if isinstance(record, Failed) else 0)
        return tried.traced(contact, trace, record, self._now_ms)

    def done(self) -> tuple[Outbox, list[Outcome]]:
        for outcome in tuple(self._outcomes):
            if isinstance(outcome, Failed | Expired):
                self._given_up(outcome.notifications, outcome.reason)
        self._overdue()
        now_ms, pruned_ms = self._now_ms, self._before.pruned_ms
        if now_ms >= pruned_ms + PRUNE_EVERY_MS:
            pruned_ms = now_ms
            self._known = {key: at for key, at in self._known.items() if at >= now_ms}
            self._asked = {key: at for key, at in self._asked.items() if at.until_ms >= now_ms}
            self._contacts = {
                key: contact for key, contact in self._contacts.items() if not contact.idle(now_ms)
            }
        after = Outbox(1, self._contacts, self._known, self._asked, now_ms, pruned_ms)
        return after, self._outcomes

    def _put(self, key: str, step: Step) -> None:
        contact, outcomes = step
        if contact is not self._contacts.get(key):
            self._contacts = {**self._contacts, key: contact}
        self._outcomes += outcomes

    def _remember(self, message: str, until_ms: int) -> None:
        known = {**self._known, message: until_ms}
        if len(known) > MOST_KNOWN:
            del known[next(iter(known))]
        self._known = known

    def _find(self, record: Delivery) -> tuple[str, Contact, Text | Trace] | None:
        for key, contact in self._contacts.items():
            if record.attempt and channel_of(key) is record.channel:
                what = tried.concerned(contact, record.attempt)
                if what is not None:
                    return key, contact, what
        return None

    def _ask(self, message: Message, useful_ms: int, told_ms: int) -> None:
        """Let somebody answer to ``message``, in time where its rule says so.

        told_ms: until when a silence holds it back; nobody can answer before.
        """
        if message.kind not in BEGAN or message.episode is None:
            return
        after, known = message.unanswered_after, self._asked.get(message.notification)
        told_ms = max(told_ms, self._now_ms)
        due_ms = None if after is None else told_ms + round(after * 1_000)
        if known is not None and known.due_ms is not None:
            due_ms = known.due_ms
        asked = Asked(
            message.id,
            message.recipient,
            message.device,
            message.rule,
            message.episode,
            due_ms,
            max(useful_ms, due_ms or told_ms) + REMEMBERED_MS,
            0 if known is None else known.reached,
        )
        self._asked = {**self._asked, message.notification: asked}

    def _nobody_asked(self, device: str, rule: str, episode: datetime) -> None:
        kept = {
            key: each for key, each in self._asked.items() if not each.of(device, rule, episode)
        }
        if len(kept) != len(self._asked):
            self._asked = kept

    def _reached(self, notifications: Iterable[str], more: int) -> None:
        for key in notifications:
            asked = self._asked.get(key)
            if asked is not None and more:
                counted = replace(asked, reached=asked.reached + more)
                self._asked = {**self._asked, key: counted}

    def _given_up(self, notifications: Iterable[str], reason: str) -> None:
        """Say which of ``notifications`` are unanswered, because nothing else tells them."""
        for key in notifications:
            asked = self._asked.get(key)
            if asked is None or asked.reached:
                continue
            if not any(contact.holds(key) for contact in self._contacts.values()):
                self._say_unanswered(key, asked, reason)

    def _overdue(self) -> None:
        """Say what nobody has acknowledged in time."""
        for key, asked in self._asked.items():
            if asked.due_ms is not None and asked.due_ms <= self._now_ms:
                self._say_unanswered(key, asked, "nobody has acknowledged it")

    def _say_unanswered(self, key: str, asked: Asked, reason: str) -> None:
        self._asked = {**self._asked, key: replace(asked, due_ms=None)}
        self._outcomes.append(
            Unanswered(
                id=derived_id("unanswered", key, asked.message),
                device=asked.device,
                rule=asked.rule,
                episode=asked.episode,
                notification=key,
                recipient=asked.recipient,
                reached=asked.reached > 0,
                reason=reason,
            )
        )
