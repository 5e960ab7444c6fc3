"""Routes ``notifications`` to ``email``, ``sms`` and ``push``: who is told, and by what.

The list of recipients is on the changelog before its messages go out, under the offset before its
notification: whoever takes over after a crash tells the same people.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from agents import telling
from agents.deciding import HELD
from agents.parking import Unfit, parked, parsed
from agents.people import People, people
from app.stream import apps
from app.stream.batches import Batch, KafkaRecord, each_batch
from app.stream.producer import Send, send_all
from schemas import codec
from schemas import topics as names
from schemas.decision import Decision, Kind, Severity
from schemas.delivery import Channel
from schemas.escalation import Taken, Unanswered
from schemas.handover import Adopted, Answered, Claimed, Digest, Notification, Released
from schemas.record import instant
from tables import routing, texting
from tables.routing import Book, Reach, Recipient, settled
from tables.rules import Rule
from tables.states import recipients

if TYPE_CHECKING:
    from app.directory import Snapshot

log = structlog.get_logger()
_book = msgspec.json.Decoder(Book)


class Router:
    """Turns notifications into messages."""

    def __init__(self, people: People) -> None:
        """Take recipients from ``people``."""
        self._people = people

    async def __call__(self, batch: Batch) -> None:
        """Route ``batch``: store the lists, send the messages, store that they are out."""
        await apps.rules.confirmed()
        directory = await self._people.snapshot()
        books: dict[bytes, tuple[int, Book]] = {}
        listed: dict[bytes, tuple[int, bytes]] = {}
        sends: list[Send] = []
        ids: set[str] = set()
        for record in batch.records:
            try:
                notification = parsed(codec.notification, record)
            except Unfit as unfit:
                sends.append(parked(batch, record, str(unfit)))
                continue
            if HELD in record.headers or notification.id in ids:
                continue  # it is not ours to tell yet, or a copy: a worker decided it twice
            ids |= {notification.id, *(each.id for each in told(notification))}
            key = notification.device.encode()
            routed_to, book = books.get(key) or self._read(batch.partition, key)
            if record.offset <= routed_to:  # a redelivery: its messages are out
                continue
            try:
                book, more = _taken(Step(directory, record), book, notification)
            except Unfit as unfit:
                more = [parked(batch, record, str(unfit))]
            books[key] = (record.offset, book)
            if more:
                listed[key] = (listed[key][0] if key in listed else routed_to, codec.encode(book))
            sends += more
        await recipients.store(batch.partition, listed)
        await send_all(apps.route, sends)
        done = {key: (at, codec.encode(settled(book, ids))) for key, (at, book) in books.items()}
        await recipients.store(batch.partition, done)

    def _read(self, partition: int, key: bytes) -> tuple[int, Book]:
        routed_to, state = recipients.read(partition, key)
        return routed_to, Book() if state is None else _book.decode(state)


def _taken(step: "Step", book: Book, notification: Notification) -> tuple[Book, list[Send]]:
    try:
        return step.take(book, notification)
    except Exception as error:  # whatever one record does, the rest goes on
        log.exception("route_failed", device=notification.device, id=notification.id)
        raise Unfit(f"could not be routed: {error!r}") from None


class Step:
    """One record of ``notifications``, with what it is routed by."""

    def __init__(self, directory: "Snapshot", record: KafkaRecord) -> None:
        """Route ``record`` by ``directory``, and by the rules that were in force for it."""
        self._directory = directory
        self._appended_ms = record.timestamp
        self._now = instant(record.timestamp)

    def take(self, book: Book, notification: Notification) -> tuple[Book, list[Send]]:
        """Return the book after ``notification``, and what is sent because of it."""
        match notification:
            case Decision():
                book, sends = self._decision(book, notification, afresh=False)
                return (
                    (book, sends)
                    if not _silent(notification)
                    else self._silence(book, notification, sends)
                )
            case Released():
                return self._decision(book, notification.decision, afresh=notification.afresh)
            case Digest():
                return self._digest(book, notification)
            case Taken():
                book, to = routing.take_note(book, notification)
                return book, telling.taken(notification, to)
            case Unanswered():
                return self._escalate(book, notification)
            case _:
                return self._handed_over(book, notification)

    def _handed_over(
        self, book: Book, notification: Claimed | Answered | Adopted
    ) -> tuple[Book, list[Send]]:
        """Return the book after what the device says of itself, and what is sent because of it."""
        match notification:
            case Claimed():
                to = tuple(self._holder(notification.device, each) for each in notification.numbers)
                attempts = [telling.attempt(notification, each) for each in to]
                return texting.claim(book, notification, to), attempts
            case Answered():
                return self._answer(book, notification)
            case Adopted():
                own = codec.encode(notification.rules) if notification.rules else b""
                return msgspec.structs.replace(book, own=own), []

    def _decision(self, book: Book, decision: Decision, *, afresh: bool) -> tuple[Book, list[Send]]:
        rule = self._rule(book, decision)
        book, audience = routing.route(book, decision, self._today(decision, rule))
        if rule is not None and decision.kind is Kind.RESOLVED and not rule.notify_resolved:
            return book, []
        since = self._now if afresh else decision.at
        return book, [self._of(decision, rule, each, since) for each in audience]

    def _silence(
        self, book: Book, decision: Decision, sends: list[Send]
    ) -> tuple[Book, list[Send]]:
        """Add to ``sends`` what the device was about to text and has not answered for."""
        book, ours = texting.silent(book, decision.id)
        more = [self._instead(book, texted, to, flagged=True) for texted, to in ours]
        return book, sends + more

    def _digest(self, book: Book, digest: Digest) -> tuple[Book, list[Send]]:
        hears: dict[Recipient, list[Decision]] = {}
        for decision in digest.decisions:
            today = self._today(decision, self._rule(book, decision))
            book, listed = routing.route(book, decision, today)
            for each in listed:
                hears.setdefault(each, []).append(decision)
        sends = [
            telling.of_digest(
                msgspec.structs.replace(digest, decisions=tuple(decisions)),
                each,
                self._now,
                self._directory.voice(each.person),
            )
            for each, decisions in sorted(hears.items())
        ]
        return book, sends

    def _answer(self, book: Book, answered: Answered) -> tuple[Book, list[Send]]:
        texts = book.texts.get(answered.notification)
        if texts is None:
            log.warning("answer_without_claim", device=answered.device, id=answered.notification)
            return book, []
        became = telling.outcomes(answered, texts)
        book, ours = texting.answer(book, answered)
        unsure = {each for each, _ in texts.to if telling.unsure(answered, each)}
        return book, became + [
            self._instead(book, texts.decision, each, flagged=each in unsure) for each in ours
        ]

    def _escalate(self, book: Book, unanswered: Unanswered) -> tuple[Book, list[Send]]:
        decision = routing.unanswered(book, unanswered)
        if decision is None:
            return book, []
        rule = self._rule(book, decision)
        reach = self._reach(decision.device, decision.severity, rule)
        roles = self._directory.roles(decision.device)
        book, audience = routing.escalate(book, unanswered, reach, roles)
        if audience == ():
            log.error("nobody_left_to_tell", device=unanswered.device, rule=unanswered.rule)
        return book, [self._of(decision, rule, each, self._now) for each in audience or ()]

    def _instead(self, book: Book, decision: Decision, to: Recipient, *, flagged: bool) -> Send:
        """Return what is sent to a number in place of the device's text, or so that it is sure.

        However old it is: nobody else has told that number.
        """
        rule = self._rule(book, decision)
        return self._of(decision, rule, to, self._now, flagged=flagged)

    def _of(
        self,
        decision: Decision,
        rule: Rule | None,
        to: Recipient,
        since: datetime,
        *,
        flagged: bool = False,
    ) -> Send:
        voice = self._directory.voice(to.person)
        return telling.of(decision, rule, to, since, self._now, voice, flagged=flagged)

    def _rule(self, book: Book, decision: Decision) -> Rule | None:
        in_force = apps.rules.book(decision.stream).at((decision.at, self._appended_ms))
        return in_force.of(decision.device, book.own).rules.get(decision.rule)

    def _today(self, decision: Decision, rule: Rule | None) -> tuple[Recipient, ...]:
        reach = self._reach(decision.device, decision.severity, rule)
        if not reach and decision.kind is Kind.FIRED:
            log.warning("nobody_to_tell", device=decision.device, rule=decision.rule)
        return routing.first(reach)

    def _reach(self, device: str, severity: Severity, rule: Rule | None) -> tuple[Reach, ...]:
        """Return how everybody can be told of what ``rule`` says of ``device``."""
        channels = tuple(Channel) if rule is None else rule.channels
        return self._directory.reach(device, severity, channels)

    def _holder(self, device: str, number: str) -> Recipient:
        """Return whose ``number`` it is, as far as ``device`` goes."""
        return Recipient(self._directory.holder_of(device, number), Channel.SMS, number)


def told(notification: Notification) -> tuple[Decision, ...]:
    """Return the decisions that people are told of by ``notification``."""
    if isinstance(notification, Digest):
        return notification.decisions
    return (notification.decision,) if isinstance(notification, Released) else ()


def _silent(decision: Decision) -> bool:
    """Return whether it says, even if to nobody, that its device is silent."""
    began = decision.kind is Kind.FIRED or decision.kind is Kind.SUPPRESSED
    return began and decision.stream == names.LIVENESS and decision.cause.get("silent") is True


router = Router(people)


@apps.route.agent(apps.source(apps.route, names.NOTIFICATIONS), concurrency=1)
async def notifications(stream: Any) -> None:
    """Route every batch of notifications."""
    await each_batch(stream, router)
