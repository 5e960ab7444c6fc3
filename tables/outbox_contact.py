"""One address of a recipient: what waits there, what is being sent, what has left. Pure."""

from datetime import datetime

import msgspec

from schemas.decision import Kind
from schemas.delivery import Attempt, Channel, Failed, Message, Silenced, Unsilenced, Waits
from schemas.record import instant
from tables import limits
from tables.outbox_dropped import (
    EARLY_END,
    bounded,
    drop,
    drop_ends,
    drop_late,
    expired,
    unheard,
    unsaid,
)
from tables.outbox_state import Contact, Outcome, Step, Text, Waiting, ms_of, named

replace = msgspec.structs.replace
AFTER_HOLD_MS = 3_600_000  # for which what was held back is worth sending when it is let go


def queue(contact: Contact, new: Waiting) -> Step:
    """Return the contact with ``new`` waiting, or what became of it at once."""
    message, verified = new.message, new.terms.verified
    if verified is not None and contact.barred_ms < verified.timestamp() * 1_000:
        contact = replace(contact, barred="", barred_ms=0)
    barred = contact.barred or new.terms.barred
    if barred:
        return unheard(contact, (new,)), [Failed(**named((message,)), reason=barred)]
    contact = replace(contact, grouping_ms=round(new.terms.grouping * 1_000))
    if message.kind is Kind.RESOLVED:
        return _end(contact, new)
    return bounded(replace(contact, waiting=(*contact.waiting, new)))


def acknowledge(contact: Contact, device: str, rule: str, episode: datetime, by: str) -> Step:
    """Return the contact that is told no more that the episode lasts: ``by`` knows."""
    reason = f"acknowledged by {by}"
    told = [each for each in contact.waiting if each.problem(device, rule, episode)]
    return drop(_over(contact, device, rule, episode, reason), told, reason)


def unsilence(contact: Contact, by: Unsilenced, now_ms: int) -> tuple[Contact, list[Waiting]]:
    """Return the contact that ``by`` is about, and what was let go, or is held by another now."""
    changed = [
        each
        for each in contact.waiting
        if (each.message.device, each.message.rule) == (by.device, by.rule)
        and each.terms.silenced not in {None, by.silenced}
    ]
    if not changed:
        return contact, []
    waiting = tuple(
        _unsilenced(each, by.silenced, now_ms) if each in changed else each
        for each in contact.waiting
    )
    return replace(contact, waiting=waiting), changed


def _unsilenced(waiting: Waiting, silenced: Silenced | None, now_ms: int) -> Waiting:
    useful_ms = max(ms_of(waiting.message.useful_until), now_ms + AFTER_HOLD_MS)
    terms = replace(waiting.terms, silenced=silenced)
    return replace(waiting, terms=terms, useful_ms=useful_ms, held_ms=0, said="")


def look(channel: Channel, contact: Contact, now_ms: int) -> Step:
    """Return the contact at ``now_ms``: what has expired, what waits, what leaves."""
    outcomes: list[Outcome] = []
    if contact.waiting or contact.unsure:
        contact, late = drop_late(_held(contact, now_ms), now_ms)
        contact, ends = drop_ends(contact)
        outcomes = late + ends
    if contact.flying is not None:
        return contact, outcomes
    due = (each for each in contact.unsure if again_ms(channel, contact, each) <= now_ms)
    again = next(due, None)
    if again is not None:
        text = replace(again, ordinal=again.ordinal + 1, read=False, began_ms=0)
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
    """Return from when on something new may leave, and which cap says so, or none."""
    left = contact.left_ms
    open_ms = max(left[-1] + contact.grouping_ms if left else 0, contact.shut_ms)
    capped_ms = limits.allowed_ms(channel, left)
    return (capped_ms, "a cap") if capped_ms > open_ms else (open_ms, "")


def again_ms(channel: Channel, contact: Contact, text: Text) -> int:
    """Return when ``text``, which may have been sent, is tried again. It is no second one."""
    capped_ms = limits.allowed_ms(channel, contact.left_ms)
    return max(text.again_ms, text.held_ms, contact.shut_ms, capped_ms)


def wake_ms(channel: Channel, contact: Contact) -> int | None:
    """Return when to look at it next, if nothing happens before; None: never."""
    at = [each.useful_ms + 1 for each in contact.waiting]
    at += [each.useful_ms + 1 for each in contact.unsure]
    if contact.flying is None:
        at += [again_ms(channel, contact, each) for each in contact.unsure]
        gate_ms, _ = gate(channel, contact)
        at += [max(each.not_before_ms, each.held_ms, gate_ms) for each in contact.waiting]
    return min(at, default=None)


def _fly(contact: Contact, text: Text, outcomes: list[Outcome]) -> Step:
    attempt = Attempt(**text.named, attempt=text.attempt, ordinal=text.ordinal)
    return replace(contact, flying=text), [*outcomes, attempt]


def _end(contact: Contact, end: Waiting) -> Step:
    """Return the contact with ``end`` waiting in place of what it ends, unless that never left."""
    told = end.message
    about = told.device, told.rule, told.episode
    contact = _over(contact, *about, "it is over")
    same = tuple(each for each in contact.waiting if each.of(*about))
    contact = replace(contact, waiting=tuple(each for each in contact.waiting if each not in same))
    if any(each.message.kind is Kind.FIRED for each in same):  # nobody here heard of it
        return unsaid(unheard(contact, same), (end,)), [expired((*same, end), EARLY_END)]
    contact, outcomes = bounded(replace(contact, waiting=(*contact.waiting, end)))
    return contact, outcomes + ([expired(same, "it is over, which is told")] if same else [])


def _over(
    contact: Contact, device: str, rule: str, episode: datetime | None, reason: str
) -> Contact:
    """Return the contact that tries no more to tell of what it may have told already."""

    def over(text: Text) -> Text:
        covers = tuple(
            replace(each, over=reason) if each.problem(device, rule, episode) else each
            for each in text.covers
        )
        return replace(text, covers=covers)

    flying = None if contact.flying is None else over(contact.flying)
    unsure = tuple(each for each in [over(text) for text in contact.unsure] if not each.over)
    return replace(contact, flying=flying, unsure=unsure)


def _held(contact: Contact, now_ms: int) -> Contact:
    unsure = (replace(each, covers=_holds(each.covers, now_ms)) for each in contact.unsure)
    return replace(contact, waiting=_holds(contact.waiting, now_ms), unsure=tuple(unsure))


def _holds(waiting: tuple[Waiting, ...], now_ms: int) -> tuple[Waiting, ...]:
    return tuple(each if each.held_ms > now_ms else _hold(each, now_ms) for each in waiting)


def _hold(waiting: Waiting, now_ms: int) -> Waiting:
    """Return it with when it is let go, as things stand now."""
    if waiting.useful_ms < now_ms:  # what is too late stays so
        return waiting
    silenced, quiet = waiting.terms.silenced, waiting.terms.quiet
    until_ms = None if silenced is None else ms_of(silenced.until)
    if until_ms is None or until_ms <= now_ms:
        if quiet is None or waiting.urgent:
            return waiting
        until_ms = limits.quiet_until_ms(quiet, now_ms)
    if until_ms is None:
        return waiting
    useful_ms = max(waiting.useful_ms, until_ms + AFTER_HOLD_MS)
    return replace(waiting, held_ms=until_ms, useful_ms=useful_ms)


def _say(contact: Contact, now_ms: int, gate_ms: int, cap: str, outcomes: list[Outcome]) -> Step:
    """Return the contact with what waits for long, and what is recorded of that, once."""
    if not contact.waiting:
        return contact, outcomes
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
    if silenced is not None and ms_of(silenced.until) == waiting.held_ms:
        return f"silenced by {silenced.author}"
    return "quiet hours"
