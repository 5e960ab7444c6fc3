"""What became of a try, at one address of a recipient. Pure."""

import msgspec

from schemas.decision import Severity
from schemas.delivery import Channel, Delivered, Failed
from tables import limits
from tables.outbox_dropped import (
    MOST_UNSAID,
    MOST_WAITING,
    RANKS,
    bounded,
    expired,
    heard,
    unheard,
)
from tables.outbox_state import Contact, Outcome, Step, Text, Trace, Waiting, named

replace = msgspec.structs.replace
MOST_GONE = 2
MOST_TRACES = 20
MOST_UNSURE = 20
MOST_LOSSES = 3  # of a text that was taken, and lost on its way
RECEIPTS = frozenset({Channel.EMAIL, Channel.SMS})  # which say later that a text was lost


def began(contact: Contact, text: Text, now_ms: int) -> Contact:
    """Return the contact whose ``text`` may be on its way from now on."""
    if text.read:  # a copy of its record
        return contact
    return replace(contact, flying=replace(text, read=True, began_ms=now_ms))


def sent(channel: Channel, contact: Contact, text: Text, now_ms: int) -> Contact:
    """Return the contact without ``text``, which its provider took."""
    contact = _left(heard(_without(contact, text), text.covers), now_ms)
    if channel not in RECEIPTS or text.taken:
        return contact
    gone = (*contact.gone, text)
    traces = [Trace(each.attempt, each.useful_ms, each.notifications) for each in gone[:-MOST_GONE]]
    traces = [*contact.traces, *traces][-MOST_TRACES:]
    while sum(len(each.notifications) for each in traces) > MOST_WAITING:
        del traces[0]
    return replace(contact, gone=gone[-MOST_GONE:], traces=tuple(traces))


def unsure(channel: Channel, contact: Contact, text: Text, now_ms: int) -> Step:
    """Return the contact with ``text``, which may have been sent: it is tried again, or not.

    Email and push can be sent again without harm, by their ids. A text message is looked for first,
    which may fail: what does not matter is left at that.
    """
    contact = _left(heard(_without(contact, text), text.covers), now_ms)
    severities = {each.message.severity for each in text.covers}
    if text.taken or text.over or (channel is Channel.SMS and severities == {Severity.INFO}):
        return contact, []
    since_ms = text.began_ms or now_ms if text.unsure_ms is None else text.unsure_ms
    return _unsure(contact, replace(_again(text, 0, now_ms), unsure_ms=since_ms))


def delivered(contact: Contact, text: Text) -> Contact:
    """Return the contact without ``text``, which has arrived."""
    contact = heard(contact, text.covers)
    if contact.flying is text:  # its own outcome comes later
        return replace(contact, flying=replace(text, taken=True))
    return _without(contact, text)


def failed(contact: Contact, text: Text, record: Failed, now_ms: int) -> Step:
    """Return the contact with ``text`` waiting again, or given up: it was surely not sent."""
    contact = _without(contact, text)
    if record.after:
        contact = replace(contact, shut_ms=now_ms + round(record.after * 1_000))
    if record.dead:
        may_know = text.taken or text.unsure_ms is not None
        return _dead(contact, () if may_know else text.covers, record, now_ms)
    if text.taken:
        return contact, []
    if text.unsure_ms is not None:  # an earlier try may have been sent: it keeps its name
        if not record.again or text.over:
            return contact, []
        return _unsure(contact, _again(text, record.after, now_ms, counts=record.counts))
    if not record.again:
        return unheard(contact, text.covers), []
    return _back(contact, _again(text, record.after, now_ms, counts=record.counts))


def lost(contact: Contact, text: Text, record: Failed, now_ms: int) -> Step:
    """Return the contact with ``text``, which its provider took and has lost since."""
    covers = tuple(replace(each, losses=each.losses + 1) for each in text.covers)
    again = record.again and max(each.losses for each in covers) < MOST_LOSSES
    text = replace(text, covers=covers, unsure_ms=None)
    return failed(contact, text, replace(record, again=again), now_ms)


def concerned(contact: Contact, attempt: str) -> Text | Trace | None:
    """Return what ``attempt`` was a try of, if it is known at this contact."""
    flying: tuple[Text, ...] = () if contact.flying is None else (contact.flying,)
    for text in flying + contact.unsure + contact.gone:
        if text.tried_as(attempt):
            return text
    for trace in contact.traces:
        if trace.attempt == attempt:
            return trace
    return None


def traced(contact: Contact, trace: Trace, record: Delivered | Failed, now_ms: int) -> Step:
    """Return the contact once it is known what became of what left ``trace``."""
    traces = tuple(each for each in contact.traces if each is not trace)
    contact = replace(contact, traces=traces)
    if isinstance(record, Failed) and record.dead:
        return _dead(contact, (), record, now_ms)
    return contact, []


def _again(text: Text, after_s: float, now_ms: int, *, counts: bool = True) -> Text:
    """Return ``text`` with when each of its messages is to be tried again, by its own failures."""
    covers = tuple(_paused(each, text, after_s, now_ms, counts=counts) for each in text.covers)
    return replace(text, covers=covers, again_ms=min(each.not_before_ms for each in covers))


def _paused(each: Waiting, text: Text, after_s: float, now_ms: int, *, counts: bool) -> Waiting:
    failures = each.failures + counts
    pause_ms = limits.pause_ms(failures, text.attempt) if counts else 0
    not_before_ms = now_ms + max(round(after_s * 1_000), pause_ms)
    return replace(each, tries=text.ordinal, failures=failures, not_before_ms=not_before_ms)


def _back(contact: Contact, text: Text) -> Step:
    """Return the contact with ``text`` waiting again, as far as it needs to be told."""
    over = tuple(each for each in text.covers if each.over)
    back = tuple(each for each in text.covers if not each.over)
    contact = replace(
        unheard(contact, over),
        waiting=(*back, *contact.waiting),
        unsaid=(*text.unsaid, *contact.unsaid)[-MOST_UNSAID:],
        unsaid_count=text.unsaid_count + contact.unsaid_count,
    )
    contact, outcomes = bounded(contact)
    for reason in dict.fromkeys(each.over for each in over):
        outcomes.append(expired([each for each in over if each.over == reason], reason))
    return contact, outcomes


def _dead(contact: Contact, never_left: tuple[Waiting, ...], record: Failed, now_ms: int) -> Step:
    """Return the contact at which nothing is sent any more."""
    reason = record.reason or "its provider said so"
    rest = contact.waiting
    contact = unheard(contact, (*never_left, *rest))
    messages = tuple(each.message for each in rest)
    given_up: list[Outcome] = [Failed(**named(messages), reason=record.reason)] if rest else []
    return replace(contact, waiting=(), barred=reason, barred_ms=now_ms), given_up


def _unsure(contact: Contact, text: Text) -> Step:
    """Return the contact with ``text`` to be tried again; the least severe go for it."""
    kept, given_up = [*contact.unsure, text], list[Outcome]()
    while len(kept) > MOST_UNSURE or sum(len(each.covers) for each in kept) > MOST_WAITING:
        least = min(kept, key=_rank)
        kept.remove(least)
        given_up.append(expired(least.covers, f"more than {MOST_UNSURE} may have been sent"))
    return replace(contact, unsure=tuple(kept)), given_up


def _rank(text: Text) -> int:
    return max(RANKS[each.message.severity] for each in text.covers)


def _left(contact: Contact, now_ms: int) -> Contact:
    return replace(contact, left_ms=(*contact.left_ms, now_ms)[-limits.MOST_REMEMBERED :])


def _without(contact: Contact, text: Text) -> Contact:
    """Return the contact without ``text``, wherever it stands."""
    ids = text.ids
    flying = None if contact.flying is not None and contact.flying.ids == ids else contact.flying
    unsure = tuple(each for each in contact.unsure if each.ids != ids)
    gone = tuple(each for each in contact.gone if each.ids != ids)
    return replace(contact, flying=flying, unsure=unsure, gone=gone)
