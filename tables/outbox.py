"""The outbox of one recipient: what is sent now, what waits and until when. Pure.

It folds ``deliveries`` alone, and time is append time, so that what it decided can be replayed. A
text leaves when nothing bars it: the address works, nobody silenced it, its owner does not sleep,
nothing else left a moment ago, no cap is reached. What waits meanwhile travels along.
"""

from collections.abc import Iterable

import msgspec

from schemas.decision import Kind
from schemas.delivery import (
    Acknowledged,
    Attempt,
    Channel,
    Delivered,
    Delivery,
    Expired,
    Failed,
    OutboxEvent,
    OutboxTick,
    Queued,
    Sent,
    Unknown,
    Unsilenced,
)
from tables import outbox_contact as contacts
from tables import outbox_tried as tried
from tables.outbox_asked import REMEMBERED_MS, Asking
from tables.outbox_state import Contact, Outbox, Outcome, Step, Text, Trace, Waiting, ms_of

PRUNE_EVERY_MS = 600_000
MOST_KNOWN = 5_000
CHANNELS = {each.value: each for each in Channel}
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
    return CHANNELS[key.partition(" ")[0]]


def address_of(key: str) -> str:
    """Return the address of the contact that is known as ``key``."""
    return key.partition(" ")[2]


class _Step:
    """One event, folded. What is replaced is copied first."""

    def __init__(self, outbox: Outbox, now_ms: int) -> None:
        self._before = outbox
        self._now_ms = now_ms
        self._contacts, self._known = outbox.contacts, outbox.known
        self._asking = Asking(outbox.asked, now_ms)
        self._outcomes: list[Outcome] = []

    def queue(self, queued: Queued) -> None:
        message = queued.message
        if message.id in self._known:
            return
        useful_ms = ms_of(message.useful_until)
        self._remember(message.id, max(useful_ms, self._now_ms) + REMEMBERED_MS)
        if message.kind is Kind.RESOLVED and message.episode is not None:
            self._asking.forget(message.device, message.rule, message.episode)
        silenced = queued.terms.silenced
        told_ms = 0 if silenced is None else ms_of(silenced.until)
        self._outcomes += self._asking.ask(message, useful_ms, told_ms)
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
        self._asking.forget(by.device, by.rule, by.episode)
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
                self._asking.ask_anew(each.message, each.useful_ms, told_ms)
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
                self._asking.reach(text.notifications, 0 if text.taken else 1)
                step = tried.sent(channel, contact, text, now_ms), []
            case Sent() | Delivered():
                self._asking.reach(text.notifications, 0 if text.taken or gone else 1)
                step = tried.delivered(contact, text), []
            case Failed() if gone:
                self._asking.reach(text.notifications, -1)
                step = tried.lost(contact, text, record, now_ms)
            case Failed() if own or record.dead:
                step = tried.failed(contact, text, record, now_ms)
            case Unknown() if flying and own:
                step = tried.unsure(channel, contact, text, now_ms)
        return step

    def _traced(self, contact: Contact, trace: Trace, record: Delivery) -> Step | None:
        if not isinstance(record, Delivered | Failed):
            return None
        self._asking.reach(trace.notifications, -1 if isinstance(record, Failed) else 0)
        return tried.traced(contact, trace, record, self._now_ms)

    def done(self) -> tuple[Outbox, list[Outcome]]:
        for outcome in tuple(self._outcomes):
            if isinstance(outcome, Failed | Expired):
                self._given_up(outcome.notifications, outcome.reason)
        self._outcomes += self._asking.overdue()
        now_ms, pruned_ms = self._now_ms, self._before.pruned_ms
        if now_ms >= pruned_ms + PRUNE_EVERY_MS:
            pruned_ms = now_ms
            self._known = {key: at for key, at in self._known.items() if at >= now_ms}
            self._asking.prune()
            self._contacts = {
                key: contact for key, contact in self._contacts.items() if not contact.idle(now_ms)
            }
        after = Outbox(1, self._contacts, self._known, self._asking.asked, now_ms, pruned_ms)
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

    def _given_up(self, notifications: Iterable[str], reason: str) -> None:
        """Say which of ``notifications`` are unanswered, because nothing else tells them."""
        for key in self._asking.unreached(notifications):
            if not any(contact.holds(key) for contact in self._contacts.values()):
                self._outcomes.append(self._asking.unanswered(key, reason))
