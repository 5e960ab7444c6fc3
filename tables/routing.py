"""Who is told of an episode. One state per device, a part per rule. Pure.

``fired`` goes to whoever is listed today, ``repeated`` also to those told before, ``resolved`` to
exactly those who were told. What nobody is to be told of leaves no trace. Numbers that the device
texts itself are left out, and count as told.

The list is stored before its messages go out (``pending``): a notification that comes again because
a worker died goes to the same people. A copy of one whose messages are out goes to nobody. It is
known by its id alone: a clock that was set back makes what is decided later look older.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec

from schemas.decision import BEGAN, Decision, Kind
from schemas.delivery import Channel
from schemas.escalation import Taken, Unanswered
from schemas.events import Texted
from schemas.handover import Answered, Claimed

MOST = 64  # claims that are remembered: a device that texts more is texting nobody any more
# Ids that a rule remembers. Copies are a batch that a worker sent again, in its order: from one
# that is longer the same people are told, of whom the outboxes know the messages.
RECENT = 8
UNTOLD = (Kind.SUPPRESSED, Kind.SUPPRESSED_RESOLVED)


class Recipient(msgspec.Struct, frozen=True, array_like=True, order=True):
    """One address of one person."""

    person: str
    channel: Channel
    address: str


class Voice(NamedTuple):
    """In which language somebody is told, and in which zone times are."""

    language: str = "en"
    zone: str = "UTC"


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What became of the newest notifications of one rule.

    at: of the newest. ids: the newest, and what was said of them.
    pending: whom to tell, by the ids of those whose messages may not be out.
    recipients: who was told of the episode that began at ``episode``.
    decision: the newest that began or repeated it, for those who are told later.
    taken_by: who took note of the episode, or empty.
    """

    at: datetime
    ids: tuple[str, ...]
    pending: dict[str, tuple[Recipient, ...]]
    episode: datetime
    recipients: tuple[Recipient, ...]
    decision: Decision | None = None
    taken_by: str = ""


class Role(StrEnum):
    """What somebody is to a device.

    An owner is told at once, and others only when no owner answers. A watcher is told at once, and
    nobody waits for an answer. An operator is told when nobody answered, or nobody can be told.
    """

    OWNER = "owner"
    WATCHER = "watcher"
    OPERATOR = "operator"


class When(StrEnum):
    """When somebody wants to be told by a channel."""

    ALWAYS = "always"
    UNANSWERED = "unanswered"
    NEVER = "never"


class Reach(msgspec.Struct, frozen=True):
    """How somebody can be told of something. position: the lower is asked first."""

    to: Recipient
    role: Role
    position: int
    when: When


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
    if decision.kind in UNTOLD or (told is not None and decision.id in told.ids):
        return book, ()
    texted = book.texts[decision.id].recipients if decision.id in book.texts else ()
    same = told if told is not None and told.episode == decision.episode else None
    before, taken_by = ((), "") if same is None else (same.recipients, same.taken_by)
    quiet = bool(taken_by) and decision.kind is Kind.REPEATED  # somebody sees to it
    joins = decision.kind in BEGAN and not quiet
    everybody = tuple(sorted({*before, *today, *texted})) if joins else before
    listed = () if quiet else tuple(each for each in everybody if each not in texted)
    ids = _recent(told, decision.id)
    pending = {**(told.pending if told else {}), decision.id: listed}
    kept = decision if decision.kind in BEGAN and listed else None
    entry = Told(decision.at, ids, pending, decision.episode, everybody, kept, taken_by)
    return msgspec.structs.replace(book, rules={**book.rules, decision.rule: entry}), listed


def first(reach: Iterable[Reach]) -> tuple[Recipient, ...]:
    """Return who is told at once: owners and watchers; operators where there is nobody else.

    Where nobody is told at once by any channel, nobody could leave that unanswered: then by those
    channels that are for what is.
    """
    told: dict[tuple[bool, When], list[Recipient]] = {}
    for each in reach:
        told.setdefault((each.role is Role.OPERATOR, each.when), []).append(each.to)
    turns = [(far, when) for far in (False, True) for when in (When.ALWAYS, When.UNANSWERED)]
    return next((tuple(told[turn]) for turn in turns if turn in told), ())


def take_note(book: Book, taken: Taken) -> tuple[Book, tuple[Recipient, ...]]:
    """Return the book once somebody took note of an episode, and who was told of that."""
    told = book.rules.get(taken.rule)
    if told is not None and taken.id in told.pending:
        return book, told.pending[taken.id]
    if told is None or told.episode != taken.episode or told.taken_by:
        return book, ()
    pending = {**told.pending, taken.id: told.recipients}
    noted = msgspec.structs.replace(told, taken_by=taken.by, decision=None, pending=pending)
    return msgspec.structs.replace(book, rules={**book.rules, taken.rule: noted}), told.recipients


def unanswered(book: Book, said: Unanswered) -> Decision | None:
    """Return of what the next are to be told; None: it is over, or somebody took note of it."""
    told = book.rules.get(said.rule)
    return told.decision if told is not None and told.episode == said.episode else None


def escalate(
    book: Book, said: Unanswered, reach: tuple[Reach, ...]
) -> tuple[Book, tuple[Recipient, ...]]:
    """Return the book, and who is to be told next of what ``said`` says nobody answered.

    That is another channel of the same person, then another person: owners, then operators.
    """
    told = book.rules[said.rule]
    if said.id in told.pending:
        return book, told.pending[said.id]
    listed = () if said.id in told.ids else _next(said.recipient, told.recipients, reach)
    noted = msgspec.structs.replace(
        told,
        ids=told.ids if said.id in told.ids else _recent(told, said.id),
        pending={**told.pending, said.id: listed},
        recipients=tuple(sorted({*told.recipients, *listed})),
    )
    return msgspec.structs.replace(book, rules={**book.rules, said.rule: noted}), listed


def _next(
    person: str, told: tuple[Recipient, ...], reach: tuple[Reach, ...]
) -> tuple[Recipient, ...]:
    own = tuple(
        each.to
        for each in reach
        if each.to.person == person and each.when is When.UNANSWERED and each.to not in told
    )
    if own:
        return own
    heard = {each.person for each in told}
    others = [
        each
        for each in reach
        if each.role is not Role.WATCHER
        and each.when is not When.NEVER
        and each.to.person not in heard
    ]
    if not others:
        return ()
    turn = min(others, key=lambda each: (each.role is Role.OPERATOR, each.position, each.to.person))
    theirs = [each for each in others if each.to.person == turn.to.person]
    always = tuple(each.to for each in theirs if each.when is When.ALWAYS)
    return always or tuple(each.to for each in theirs)


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


def _recent(told: Told | None, identity: str) -> tuple[str, ...]:
    return (*(() if told is None else told.ids), identity)[-RECENT:]


def settled(book: Book, ids: Collection[str]) -> Book:
    """Return ``book`` with the messages of the notifications ``ids`` out."""
    rules = {rule: _settled(told, ids) for rule, told in book.rules.items()}
    return msgspec.structs.replace(book, rules=rules)


def _settled(told: Told, ids: Collection[str]) -> Told:
    pending = {each: listed for each, listed in told.pending.items() if each not in ids}
    return msgspec.structs.replace(told, pending=pending)
