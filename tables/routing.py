"""Who is told of an episode. One state per device, a part per rule. Pure.

``fired`` goes to whoever is listed today, ``repeated`` also to those told before, ``resolved`` to
exactly those who were told. What nobody is to be told of goes to nobody.

The list is stored before its messages go out (``pending``): a notification that comes again because
a worker died goes to the same people. A copy of one whose messages are out goes to nobody.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Literal

import msgspec

from schemas.decision import Decision, Kind
from schemas.delivery import Channel


class Recipient(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One address of one person."""

    person: str
    channel: Channel
    address: str


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What became of the newest notifications of one rule.

    at: of the newest. ids: those at that instant.
    pending: whom to tell, by the ids of those whose messages may not be out.
    recipients: who was told of the episode that began at ``episode``.
    """

    at: datetime
    ids: tuple[str, ...]
    pending: dict[str, tuple[Recipient, ...]]
    episode: datetime
    recipients: tuple[Recipient, ...]


class Book(msgspec.Struct, frozen=True, array_like=True):
    """All rules of one device."""

    v: Literal[1] = 1
    rules: dict[str, Told] = {}


def route(
    book: Book, decision: Decision, today: tuple[Recipient, ...]
) -> tuple[Book, tuple[Recipient, ...]]:
    """Return the book with ``decision`` pending, and who is to be told of it.

    today: whom the directory lists for this device and rule now.
    """
    told = book.rules.get(decision.rule)
    if told is not None and decision.id in told.pending:
        return book, told.pending[decision.id]
    if told is not None and (decision.at < told.at or decision.id in told.ids):
        return book, ()
    before = told.recipients if told is not None and told.episode == decision.episode else ()
    listed = _listed(decision.kind, before, today)
    ids = (*told.ids, decision.id) if told and told.at == decision.at else (decision.id,)
    pending = {**(told.pending if told else {}), decision.id: listed}
    entry = Told(decision.at, ids, pending, decision.episode, listed)
    return Book(1, {**book.rules, decision.rule: entry}), listed


def _listed(
    kind: Kind, before: tuple[Recipient, ...], today: tuple[Recipient, ...]
) -> tuple[Recipient, ...]:
    match kind:
        case Kind.FIRED | Kind.REPEATED:
            return tuple(sorted({*before, *today}))
        case Kind.RESOLVED:
            return before
        case Kind.SUPPRESSED | Kind.SUPPRESSED_RESOLVED:
            return ()


def settled(book: Book, ids: Collection[str]) -> Book:
    """Return ``book`` with the messages of the notifications ``ids`` out."""
    return Book(1, {rule: _settled(told, ids) for rule, told in book.rules.items()})


def _settled(told: Told, ids: Collection[str]) -> Told:
    pending = {each: listed for each, listed in told.pending.items() if each not in ids}
    return msgspec.structs.replace(told, pending=pending)
