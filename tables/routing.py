"""Who is told of an episode. One state per device, a part per rule. Pure.

``fired`` goes to whoever is listed today, ``repeated`` also to those told before, ``resolved`` to
exactly those who were told. What nobody is to be told of goes to nobody. Numbers that the device
texts itself are left out, and count as told.

The list is stored before its messages go out (``pending``): a notification that comes again because
a worker died goes to the same people. A copy of one whose messages are out goes to nobody.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal

import msgspec

from schemas.decision import Decision, Kind
from schemas.delivery import Channel
from schemas.events import Texted
from schemas.handover import Answered, Claimed

MOST = 64  # claims that are remembered: a device that texts more is texting nobody any more


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


class Texts(msgspec.Struct, frozen=True, array_like=True):
    """What a device texts of ``decision`` itself.

    to: the numbers as recipients, and what became of each; None: it has not said so.
    asked_by: the id of what made us tell those it never answered for, or empty.
    """

    decision: Decision
    to: tuple[tuple[Recipient, Texted | None], ...]
    asked_by: str = ""

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """Return those it texts, or has handed back to us since."""
        return tuple(each for each, _ in self.to)


class Book(msgspec.Struct, frozen=True, array_like=True):
    """All rules of one device.

    texts: by the id of the notification. own: what it decides by itself (``tables.policy.owned``).
    """

    v: Literal[1] = 1
    rules: dict[str, Told] = {}
    texts: dict[str, Texts] = {}
    own: bytes = b""


def route(
    book: Book, decision: Decision, today: tuple[Recipient, ...]
) -> tuple[Book, tuple[Recipient, ...]]:
    """Return the book with ``decision`` pending, and who is to be told of it by us.

    today: whom the directory lists for this device and rule now.
    """
    told = book.rules.get(decision.rule)
    if told is not None and decision.id in told.pending:
        return book, told.pending[decision.id]
    if told is not None and (decision.at < told.at or decision.id in told.ids):
        return book, ()
    texted = book.texts[decision.id].recipients if decision.id in book.texts else ()
    before = told.recipients if told is not None and told.episode == decision.episode else ()
    everybody = _listed(decision.kind, before, tuple({*today, *texted}))
    listed = tuple(each for each in everybody if each not in texted)
    ids = (*told.ids, decision.id) if told and told.at == decision.at else (decision.id,)
    pending = {**(told.pending if told else {}), decision.id: listed}
    entry = Told(decision.at, ids, pending, decision.episode, everybody)
    return msgspec.structs.replace(book, rules={**book.rules, decision.rule: entry}), listed


def claim(book: Book, claimed: Claimed, to: tuple[Recipient, ...]) -> Book:
    """Return the book with the texts of ``claimed`` to the recipients ``to`` on their way."""
    decision, rules = claimed.decision, book.rules
    told = rules.get(decision.rule)
    if told is not None and told.episode == decision.episode:  # they hear of its end from us
        everybody = tuple(sorted({*told.recipients, *to}))
        rules = {**rules, decision.rule: msgspec.structs.replace(told, recipients=everybody)}
    texts = book.texts | {decision.id: Texts(decision, tuple((each, None) for each in to))}
    newest = dict(list(texts.items())[-MOST:])
    return msgspec.structs.replace(book, rules=rules, texts=newest)


def answer(book: Book, answered: Answered) -> tuple[Book, tuple[Recipient, ...]]:
    """Return the book with what became of texts, and who is to be told by us after all.

    Those are whom the device has handed back, and whom it may not have reached.
    """
    texts = book.texts.get(answered.notification)
    if texts is None:
        return book, ()
    outcomes: Mapping[str, Texted] = answered.outcomes
    to = tuple((each, outcomes.get(each.address, became)) for each, became in texts.to)
    ours = tuple(
        each for each, _ in to if outcomes.get(each.address) in {Texted.HANDED_BACK, Texted.UNKNOWN}
    )
    known = book.texts | {answered.notification: msgspec.structs.replace(texts, to=to)}
    return msgspec.structs.replace(book, texts=known), () if texts.asked_by else ours


def silent(book: Book, by: str) -> tuple[Book, list[tuple[Decision, Recipient]]]:
    """Return the book once its device is silent, and whom we tell because it has not answered.

    by: the id of the notification that says so; said again, it is the same.
    """
    known, ours = dict(book.texts), list[tuple[Decision, Recipient]]()
    for identity, texts in book.texts.items():
        left = [each for each, became in texts.to if became is None]
        if left and texts.asked_by in {"", by}:
            ours += [(texts.decision, each) for each in left]
            known[identity] = msgspec.structs.replace(texts, asked_by=by)
    return msgspec.structs.replace(book, texts=known), ours


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
    rules = {rule: _settled(told, ids) for rule, told in book.rules.items()}
    return msgspec.structs.replace(book, rules=rules)


def _settled(told: Told, ids: Collection[str]) -> Told:
    pending = {each: listed for each, listed in told.pending.items() if each not in ids}
    return msgspec.structs.replace(told, pending=pending)
