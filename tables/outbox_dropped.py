"""What one address of a recipient is not told, and what is said of that. Pure."""

from collections.abc import Iterable, Sequence

import msgspec

from schemas.decision import Kind, Severity
from schemas.delivery import Expired
from tables.outbox_state import Contact, Step, Waiting, named

replace = msgspec.structs.replace
MOST_WAITING = 200  # more is nothing anybody reads, and a state must fit a record
MOST_UNSAID = 5
MOST_UNHEARD = 20
UNHEARD_MS = 7 * 86_400_000  # for which an end is not told, after its beginning was worth sending
RANKS = {severity: rank for rank, severity in enumerate(Severity)}  # the least severe first
EARLY_END = "it was over before it was told"


def drop(contact: Contact, gone: Sequence[Waiting], reason: str) -> Step:
    """Return the contact without ``gone``, which are not worth sending any more."""
    if not gone:
        return contact, []
    kept = tuple(each for each in contact.waiting if each not in gone)
    return replace(unheard(contact, gone), waiting=kept), [expired(gone, reason)]


def drop_late(contact: Contact, now_ms: int) -> Step:
    """Return the contact at ``now_ms`` without what helps nobody any more."""
    unsure = tuple(each for each in contact.unsure if each.useful_ms >= now_ms)
    if len(unsure) != len(contact.unsure):
        contact = replace(contact, unsure=unsure)
    late = tuple(each for each in contact.waiting if each.useful_ms < now_ms)
    if not late:
        return contact, []
    return drop(unsaid(contact, late), late, "it came too late to help")


def drop_ends(contact: Contact) -> Step:
    """Return the contact without the ends of episodes whose beginning never left."""
    if not contact.unheard:
        return contact, []
    flying = () if contact.flying is None else contact.flying.covers
    begun = {each.episode for each in flying}  # it may leave yet
    ends = tuple(
        each
        for each in contact.waiting
        if each.message.kind is Kind.RESOLVED
        and each.episode in contact.unheard
        and each.episode not in begun
    )
    return drop(unsaid(contact, ends), ends, EARLY_END)


def bounded(contact: Contact) -> Step:
    """Return the contact with no more waiting than fits: the least severe go, the oldest first."""
    more = len(contact.waiting) - MOST_WAITING
    if more <= 0:
        return contact, []
    over = sorted(contact.waiting, key=lambda each: RANKS[each.message.severity])[:more]
    return drop(unsaid(contact, over), over, f"more than {MOST_WAITING} waited")


def unsaid(contact: Contact, waiting: Sequence[Waiting]) -> Contact:
    """Return the contact that is told with the next text that ``waiting`` were not told in time."""
    lines = tuple(each.message.short or each.message.subject for each in waiting)
    return replace(
        contact,
        unsaid=(*contact.unsaid, *lines)[-MOST_UNSAID:],
        unsaid_count=contact.unsaid_count + len(waiting),
    )


def unheard(contact: Contact, waiting: Iterable[Waiting]) -> Contact:
    """Return the contact that remembers which beginnings among ``waiting`` never left."""
    fresh = {
        each.episode: each.useful_ms + UNHEARD_MS
        for each in waiting
        if each.message.kind is Kind.FIRED and each.message.episode is not None
    }
    if not fresh:
        return contact
    newest = list((contact.unheard | fresh).items())[-MOST_UNHEARD:]
    return replace(contact, unheard=dict(newest))


def heard(contact: Contact, covers: Iterable[Waiting]) -> Contact:
    """Return the contact that may have heard of the episodes of ``covers``."""
    if not contact.unheard:
        return contact
    told = {each.episode for each in covers}
    kept = {key: until_ms for key, until_ms in contact.unheard.items() if key not in told}
    return replace(contact, unheard=kept)


def expired(waiting: Iterable[Waiting], reason: str) -> Expired:
    """Return the record that ``waiting`` are not sent any more."""
    return Expired(**named(tuple(each.message for each in waiting)), reason=reason)
