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
    taken_by: who took note of the episode, or empty. passed: whose turn to answer has passed.
    """

    at: datetime
    ids: tuple[str, ...]
    pending: dict[str, tuple[Recipient, ...]]
    episode: datetime
    recipients: tuple[Recipient, ...]
    decision: Decision | None = None
    taken_by: str = ""
    passed: tuple[str, ...] = ()


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
    if told is not None and same is None and decision.kind not in BEGAN:
        return book, ()  # the end of an episode before the one that is told of now
    before, taken_by = ((), "") if same is None else (same.recipients, same.taken_by)
    passed = () if same is None else same.passed
    quiet = bool(taken_by) and decision.kind is Kind.REPEATED  # somebody sees to it
    joins = decision.kind in BEGAN and not quiet
    everybody = tuple(sorted({*before, *today, *texted})) if joins else before
    listed = () if quiet else tuple(each for each in everybody if each not in texted)
    ids = _recent(told, decision.id)
    pending = {**(told.pending if told else {}), decision.id: listed}
    kept = decision if decision.kind in BEGAN and listed else None
    entry = Told(decision.at, ids, pending, decision.episode, everybody, kept, taken_by, passed)
    return msgspec.structs.replace(book, rules={**book.rules, decision.rule: entry}), listed


def first(reach: Iterable[Reach]) -> tuple[Recipient, ...]:
    """Return who is told at once: owners and watchers; operators where there is nobody else.

    Where no owner is told at once by any channel, no owner could leave that unanswered: then by
    those channels that are for what is. Likewise the others, where nobody at all is told at once.
    """
    far: dict[bool, list[Reach]] = {False: [], True: []}
    for each in reach:
        far[each.role is Role.OPERATOR].append(each)
    return _at_once(far[False]) or _at_once(far[True])


def _at_once(reach: list[Reach]) -> tuple[Recipient, ...]:
    always = [each for each in reach if each.when is When.ALWAYS]
    if not any(each.role is Role.OWNER for each in always):
        always += [
            each
            for each in reach
            if each.when is When.UNANSWERED and (each.role is Role.OWNER or not always)
        ]
    return tuple(each.to for each in always)


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
    book: Book, said: Unanswered, reach: tuple[Reach, ...], roles: Mapping[str, Role]
) -> tuple[Book, tuple[Recipient, ...] | None]:
    """Return the book, and who is to be told next of what ``said`` says nobody answered.

    That is another channel of the same person, then another person: owners, then operators. Empty:
    nobody is left. None: nobody needs to be, it is a copy, or another may still answer.
    roles: what people are to the device, also those of whom no address can be used.
    """
    told = book.rules[said.rule]
    if said.id in told.pending:
        return book, told.pending[said.id]
    if said.id in told.ids:
        return book, None
    listed: tuple[Recipient, ...] | None = _own(said.recipient, told.recipients, reach)
    if not listed:
        passed = tuple(sorted({*told.passed, said.recipient}))
        told = msgspec.structs.replace(told, passed=passed)
        waits = _awaited(told, said, roles, _texted(book, said))
        listed = None if waits else _others(told.recipients, reach)
    noted = msgspec.structs.replace(
        told,
        ids=_recent(told, said.id),
        pending=told.pending if listed is None else {**told.pending, said.id: listed},
        recipients=tuple(sorted({*told.recipients, *(listed or ())})),
    )
    return msgspec.structs.replace(book, rules={**book.rules, said.rule: noted}), listed


def _awaited(
    told: Told, said: Unanswered, roles: Mapping[str, Role], texted: Collection[Recipient]
) -> bool:
    """Return whether it is the turn of somebody else who was told and may answer.

    It is where no text reached this person, or where nobody waits for an answer of theirs.
    texted: by the device itself, so that nobody here knows whether they answer.
    """
    others = {each.person for each in told.recipients if each not in texted} - {*told.passed}
    asked = any(roles.get(each) in {Role.OWNER, Role.OPERATOR} for each in others)
    return asked and (not said.reached or roles.get(said.recipient) is Role.WATCHER)


def _texted(book: Book, said: Unanswered) -> set[Recipient]:
    texts = (
        each.recipients
        for each in book.texts.values()
        if (each.decision.rule, each.decision.episode) == (said.rule, said.episode)
    )
    return {each for recipients in texts for each in recipients}


def _own(
    person: str, told: tuple[Recipient, ...], reach: tuple[Reach, ...]
) -> tuple[Recipient, ...]:
    return tuple(
        each.to
        for each in reach
        if each.to.person == person and each.when is When.UNANSWERED and each.to not in told
    )


def _others(told: tuple[Recipient, ...], reach: tuple[Reach, ...]) -> tuple[Recipient, ...]:
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


def _recent(told: Told | None, identity: str) -> tuple[str, ...]:
    return (*(() if told is None else told.ids), identity)[-RECENT:]


def settled(book: Book, ids: Collection[str]) -> Book:
    """Return ``book`` with the messages of the notifications ``ids`` out."""
    rules = {rule: _settled(told, ids) for rule, told in book.rules.items()}
    return msgspec.structs.replace(book, rules=rules)


def _settled(told: Told, ids: Collection[str]) -> Told:
    pending = {each: listed for each, listed in told.pending.items() if each not in ids}
    return msgspec.structs.replace(told, pending=pending)
