"""One address of a recipient: what waits there, what is being sent, what has left. Pure."""

from collections.abc import Iterable, Sequence

import msgspec

from schemas.decision import Kind, Severity
from schemas.delivery import Attempt, Channel, Delivery, Expired, Failed, Message, Waits
from schemas.escalation import Unanswered
from schemas.record import instant
from tables import limits
from tables.outbox_state import Contact, Text, Waiting, named

Outcome = Attempt | Waits | Expired | Failed | Unanswered
Step = tuple[Contact, list[Outcome]]
replace = msgspec.structs.replace
AFTER_QUIET_MS = 3_600_000  # for which what quiet hours held back is worth sending when they end
MOST_WAITING = 200  # more is nothing anybody reads, and a state must fit a record
MOST_GONE = 2
MOST_UNSURE = 4
MOST_UNSAID = 5
MOST_TRIES_LOST = 3  # of a text that was taken, and lost on its way
RECEIPTS = frozenset({Channel.EMAIL, Channel.SMS})  # which say later that a text was lost


def queue(contact: Contact, new: Waiting) -> Step:
    """Return the contact with ``new`` waiting, or what became of it at once."""
    message, verified = new.message, new.terms.verified
    if verified is not None and contact.barred_ms < verified.timestamp() * 1_000:
        contact = replace(contact, barred="", barred_ms=0)
    barred = contact.barred or new.terms.barred
    if barred:
        return contact, [Failed(**named((message,)), reason=barred)]
    contact = replace(contact, grouping_ms=round(new.terms.grouping * 1_000))
    same = tuple(
        each for each in contact.waiting if each.of(message.device, message.rule, message.episode)
    )
    if message.kind is not Kind.RESOLVED or not same:
        return _bounded(replace(contact, waiting=(*contact.waiting, new)))
    kept = tuple(each for each in contact.waiting if each not in same)
    if any(each.message.kind is Kind.FIRED for each in same):  # nobody here heard of it
        contact = _unsaid(replace(contact, waiting=kept), (new,))
        return contact, [_expired((*same, new), "it was over before it was told")]
    contact = replace(contact, waiting=(*kept, new))
    return contact, [_expired(same, "it is over, which is told")]


def look(channel: Channel, contact: Contact, now_ms: int) -> Step:
    """Return the contact at ``now_ms``: what has expired, what waits, what leaves."""
    contact, outcomes = _expire(replace(contact, waiting=_held(contact.waiting, now_ms)), now_ms)
    if contact.flying is not None:
        return contact, outcomes
    again = next((each for each in contact.unsure if each.again_ms <= now_ms), None)
    if again is not None:
        text = replace(again, ordinal=again.ordinal + 1, read=False)
        unsure = tuple(each for each in contact.unsure if each is not again)
        return _fly(replace(contact, unsure=unsure), text, outcomes)
    free = tuple(each for each in contact.waiting if each.held_ms <= now_ms)
    gate_ms, reason = gate(channel, contact)
    if gate_ms <= now_ms and any(each.not_before_ms <= now_ms for each in free):
        ordinal = 1 + max(each.tries for each in free)
        text = Text(free, ordinal, unsaid=contact.unsaid, unsaid_count=contact.unsaid_count)
        kept = tuple(each for each in contact.waiting if each not in free)
        contact = replace(contact, waiting=kept, unsaid=(), unsaid_count=0)
        return _fly(contact, text, outcomes)
    return _say(contact, now_ms, gate_ms if reason else 0, reason, outcomes)


def gate(channel: Channel, contact: Contact) -> tuple[int, str]:
    """Return from when on something may leave, and which cap says so, or none."""
    left = contact.left_ms
    grouped_ms = left[-1] + contact.grouping_ms if left else 0
    capped_ms = limits.allowed_ms(channel, left)
    return (capped_ms, "a cap") if capped_ms > grouped_ms else (grouped_ms, "")


def wake_ms(channel: Channel, contact: Contact) -> int | None:
    """Return when to look at it next, if nothing happens before; None: never."""
    at = [each.useful_ms + 1 for each in contact.waiting]
    if contact.flying is None:
        at += [each.again_ms for each in contact.unsure]
        gate_ms, _ = gate(channel, contact)
        at += [max(each.not_before_ms, each.held_ms, gate_ms) for each in contact.waiting]
    return min(at, default=None)


def sent(channel: Channel, contact: Contact, text: Text, now_ms: int) -> Contact:
    """Return the contact without ``text``, which its provider took."""
    contact = _left(_without(contact, text), now_ms)
    if channel not in RECEIPTS:
        return contact
    return replace(contact, gone=(*contact.gone, text)[-MOST_GONE:])


def unsure(channel: Channel, contact: Contact, text: Text, now_ms: int) -> Contact:
    """Return the contact with ``text``, which may have been sent: it is tried again, or not.

    Email and push can be sent again without harm, by their ids. A text message is looked for first,
    which may fail: what does not matter is left at that.
    """
    contact = _left(_without(contact, text), now_ms)
    severities = {each.message.severity for each in text.covers}
    if channel is Channel.SMS and severities == {Severity.INFO}:
        return contact
    again_ms = now_ms + limits.pause_ms(text.ordinal, text.attempt)
    since_ms = now_ms if text.unsure_ms is None else text.unsure_ms
    return _unsure(contact, replace(text, unsure_ms=since_ms, again_ms=again_ms))


def delivered(contact: Contact, text: Text) -> Contact:
    """Return the contact without ``text``, which has arrived."""
    return contact if contact.flying is text else _without(contact, text)


def failed(contact: Contact, text: Text, record: Failed, now_ms: int) -> Step:
    """Return the contact with ``text`` waiting again, or given up: it was surely not sent."""
    contact = _without(contact, text)
    if record.dead:
        reason = record.reason or "its provider said so"
        contact = replace(contact, barred=reason, barred_ms=now_ms)
        rest = tuple(each.message for each in contact.waiting)
        given_up: list[Outcome] = [Failed(**named(rest), reason=record.reason)] if rest else []
        return replace(contact, waiting=()), given_up
    if not record.again:
        return contact, []
    pause_ms = limits.pause_ms(text.ordinal, text.attempt) if record.counts else 0
    not_before_ms = now_ms + max(round(record.after * 1_000), pause_ms)
    if text.unsure_ms is not None:  # an earlier try may have been sent: it keeps its name
        return _unsure(contact, replace(text, again_ms=not_before_ms)), []
    back = [replace(each, tries=text.ordinal, not_before_ms=not_before_ms) for each in text.covers]
    contact = replace(
        contact,
        waiting=(*back, *contact.waiting),
        unsaid=(*text.unsaid, *contact.unsaid)[-MOST_UNSAID:],
        unsaid_count=text.unsaid_count + contact.unsaid_count,
    )
    return _bounded(contact)


def lost(contact: Contact, text: Text, record: Failed, now_ms: int) -> Step:
    """Return the contact with ``text``, which its provider took and has lost since."""
    again = record.again and text.ordinal < MOST_TRIES_LOST
    return failed(contact, replace(text, unsure_ms=None), replace(record, again=again), now_ms)


def drop(contact: Contact, gone: Sequence[Waiting], reason: str) -> Step:
    """Return the contact without ``gone``, which are not worth sending any more."""
    if not gone:
        return contact, []
    kept = tuple(each for each in contact.waiting if each not in gone)
    return replace(contact, waiting=kept), [_expired(gone, reason)]


def _fly(contact: Contact, text: Text, outcomes: list[Outcome]) -> Step:
    attempt = Attempt(**text.named, attempt=text.attempt, ordinal=text.ordinal)
    return replace(contact, flying=text), [*outcomes, attempt]


def _held(waiting: tuple[Waiting, ...], now_ms: int) -> tuple[Waiting, ...]:
    return tuple(each if each.held_ms > now_ms else _hold(each, now_ms) for each in waiting)


def _hold(waiting: Waiting, now_ms: int) -> Waiting:
    """Return it with when it is let go, as things stand now."""
    silenced, quiet = waiting.terms.silenced, waiting.terms.quiet
    until_ms = 0 if silenced is None else round(silenced.until.timestamp() * 1_000)
    if until_ms > now_ms:
        return replace(waiting, held_ms=until_ms)
    asleep_ms = None if quiet is None or waiting.urgent else limits.quiet_until_ms(quiet, now_ms)
    if asleep_ms is None:
        return waiting
    useful_ms = max(waiting.useful_ms, asleep_ms + AFTER_QUIET_MS)
    return replace(waiting, held_ms=asleep_ms, useful_ms=useful_ms)


def _expire(contact: Contact, now_ms: int) -> Step:
    unsure = tuple(each for each in contact.unsure if each.useful_ms >= now_ms)
    if len(unsure) != len(contact.unsure):
        contact = replace(contact, unsure=unsure)
    late = tuple(each for each in contact.waiting if each.useful_ms < now_ms)
    if not late:
        return contact, []
    return drop(_unsaid(contact, late), late, "it came too late to help")


def _say(contact: Contact, now_ms: int, gate_ms: int, cap: str, outcomes: list[Outcome]) -> Step:
    """Return the contact with what waits for long, and what is recorded of that, once."""
    reasons = [_reason(each, now_ms, cap) for each in contact.waiting]
    told: dict[tuple[str, int], list[Message]] = {}
    for each, reason in zip(contact.waiting, reasons, strict=True):
        if reason and reason != each.said:
            until_ms = max(each.held_ms, gate_ms)
            told.setdefault((reason, until_ms), []).append(each.message)
    if not told:
        return contact, outcomes
    waiting = tuple(
        replace(each, said=reason) if reason else each
        for each, reason in zip(contact.waiting, reasons, strict=True)
    )
    waits = [
        Waits(**named(tuple(messages)), until=instant(until_ms), reason=reason)
        for (reason, until_ms), messages in told.items()
    ]
    return replace(contact, waiting=waiting), [*outcomes, *waits]


def _reason(waiting: Waiting, now_ms: int, cap: str) -> str:
    if waiting.held_ms <= now_ms:
        return cap
    silenced = waiting.terms.silenced
    if silenced is not None and round(silenced.until.timestamp() * 1_000) == waiting.held_ms:
        return f"silenced by {silenced.author}"
    return "quiet hours"


def _bounded(contact: Contact) -> Step:
    over = contact.waiting[:-MOST_WAITING]
    if not over:
        return contact, []
    return drop(_unsaid(contact, over), over, f"more than {MOST_WAITING} waited")


def _unsaid(contact: Contact, waiting: Sequence[Waiting]) -> Contact:
    lines = tuple(each.message.short or each.message.subject for each in waiting)
    return replace(
        contact,
        unsaid=(*contact.unsaid, *lines)[-MOST_UNSAID:],
        unsaid_count=contact.unsaid_count + len(waiting),
    )


def _unsure(contact: Contact, text: Text) -> Contact:
    return replace(contact, unsure=(*contact.unsure, text)[-MOST_UNSURE:])


def _left(contact: Contact, now_ms: int) -> Contact:
    return replace(contact, left_ms=(*contact.left_ms, now_ms)[-limits.MOST_REMEMBERED :])


def _without(contact: Contact, text: Text) -> Contact:
    """Return the contact without ``text``, wherever it stands."""
    ids = text.ids
    flying = None if contact.flying is not None and contact.flying.ids == ids else contact.flying
    unsure = tuple(each for each in contact.unsure if each.ids != ids)
    gone = tuple(each for each in contact.gone if each.ids != ids)
    return replace(contact, flying=flying, unsure=unsure, gone=gone)


def _expired(waiting: Iterable[Waiting], reason: str) -> Expired:
    return Expired(**named(tuple(each.message for each in waiting)), reason=reason)


def concerned(contact: Contact, record: Delivery) -> Text | None:
    """Return the text that ``record`` is about, if it is one of this contact."""
    flying = contact.flying
    if flying is not None and flying.attempt == record.attempt:
        return flying
    ids = record.messages
    kept = (*contact.unsure, *contact.gone)
    # A receipt from outside names the first message alone.
    return next((each for each in kept if ids in (each.ids, each.ids[:1])), None)
