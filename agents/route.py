"""Routes ``notifications`` to ``email``, ``sms`` and ``push``: who is told, and by what.

The list of recipients is on the changelog before its messages go out, under the offset before its
notification: whoever takes over after a crash tells the same people.
"""

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from agents.parking import Unfit, parked, parsed
from app.stream import apps
from app.stream.batches import Batch, KafkaRecord, each_batch
from app.stream.producer import Send, send_all
from schemas import codec, topics
from schemas.decision import Decision, Kind
from schemas.delivery import Channel, Expired, Message, message_id
from tables import wording
from tables.fold import RULE_CHANGED
from tables.routing import Book, Recipient, route, settled
from tables.rules import Rule
from tables.states import recipients

if TYPE_CHECKING:
    from app.directory import Follower, Snapshot

log = structlog.get_logger()
RESOLVED_USEFUL_FOR = timedelta(hours=2)
TOPICS = {Channel.EMAIL: topics.EMAIL, Channel.SMS: topics.SMS, Channel.PUSH: topics.PUSH}
_book = msgspec.json.Decoder(Book)


class Router:
    """Turns notifications into messages."""

    def __init__(self, database_url: str) -> None:
        """Take recipients from the directory at ``database_url``, opened when first needed."""
        self._database_url = database_url

    @cached_property
    def _follower(self) -> "Follower":
        # Not before: the workers that decide import this module too, and need no database.
        from app.directory import Directory, Follower  # noqa: PLC0415 - it takes a fifth of a start

        return Follower(Directory(self._database_url))

    async def __call__(self, batch: Batch) -> None:
        """Route ``batch``: store the lists, send the messages, store that they are out."""
        await apps.rules.confirmed()
        # A directory that was never read is no record's fault: the worker ends, and tries again.
        directory = self._follower.snapshot()
        books: dict[bytes, tuple[int, Book]] = {}
        listed: dict[bytes, tuple[int, bytes]] = {}
        sends: list[Send] = []
        ids: set[str] = set()
        for record in batch.records:
            try:
                decision = parsed(codec.decision, record)
            except Unfit as unfit:
                sends.append(parked(batch, record, str(unfit)))
                continue
            if decision.id not in ids:  # else it is a copy: a worker decided it twice
                place = batch.partition
                sends += self._route(place, record, decision, directory, books, listed)
                ids.add(decision.id)
        await recipients.store(batch.partition, listed)
        await send_all(apps.route, sends)
        done = {key: (at, codec.encode(settled(book, ids))) for key, (at, book) in books.items()}
        await recipients.store(batch.partition, done)

    def _route(
        self,
        partition: int,
        record: KafkaRecord,
        decision: Decision,
        directory: "Snapshot",
        books: dict[bytes, tuple[int, Book]],
        listed: dict[bytes, tuple[int, bytes]],
    ) -> list[Send]:
        key = decision.device.encode()
        routed_to, book = books.get(key) or self._read(partition, key)
        if record.offset <= routed_to:  # a redelivery: its messages are out
            return []
        in_force = apps.rules.book(decision.stream).at((decision.at, record.timestamp))
        rule = in_force.of(decision.device).rules.get(decision.rule)
        book, audience = route(book, decision, _today(directory, decision, rule))
        books[key] = (record.offset, book)
        if rule is not None and decision.kind is Kind.RESOLVED and not rule.notify_resolved:
            return []
        if audience:
            listed[key] = (listed[key][0] if key in listed else routed_to, codec.encode(book))
        return [self._send(record, decision, rule, recipient) for recipient in audience]

    def _read(self, partition: int, key: bytes) -> tuple[int, Book]:
        routed_to, state = recipients.read(partition, key)
        return routed_to, Book() if state is None else _book.decode(state)

    def _send(
        self, record: KafkaRecord, decision: Decision, rule: Rule | None, to: Recipient
    ) -> Send:
        until = decision.at + useful_for(decision, rule)
        appended = datetime.fromtimestamp(record.timestamp / 1_000, UTC)
        identity = message_id(decision.id, to.person, to.channel, to.address)
        key = to.person.encode()
        if appended > until:
            expired = Expired(
                message=identity,
                notification=decision.id,
                recipient=to.person,
                channel=to.channel,
                reason=f"decided for {decision.at:%Y-%m-%dT%H:%M:%SZ}, too old when it was written",
            )
            return Send(topics.DELIVERIES, key, codec.encode(expired))
        message = Message(
            id=identity,
            notification=decision.id,
            device=decision.device,
            rule=decision.rule,
            kind=decision.kind,
            severity=decision.severity,
            recipient=to.person,
            channel=to.channel,
            address=to.address,
            subject=wording.subject(decision),
            text=wording.text(decision, clear_for(decision, rule)),
            at=decision.at,
            useful_until=until,
        )
        return Send(TOPICS[to.channel], key, codec.encode(message))


def _today(directory: "Snapshot", decision: Decision, rule: Rule | None) -> tuple[Recipient, ...]:
    channels = tuple(Channel) if rule is None else rule.channels
    today = tuple(
        Recipient(each.person, each.channel, each.address)
        for each in directory.recipients(decision.device)
        if each.enabled and each.channel in channels
    )
    if not today and decision.kind is Kind.FIRED:
        log.warning("nobody_to_tell", device=decision.device, rule=decision.rule)
    return today


def clear_for(decision: Decision, rule: Rule | None) -> timedelta:
    """Return how long what ``decision`` resolves was gone by then."""
    return timedelta() if rule is None or RULE_CHANGED in decision.cause else rule.clear_for


def useful_for(decision: Decision, rule: Rule | None) -> timedelta:
    """Return for how long after the decision a message of it helps."""
    if decision.kind is Kind.RESOLVED:
        return RESOLVED_USEFUL_FOR
    return timedelta(minutes=30) if rule is None else rule.useful_for


router = Router(apps.SETTINGS.database_url)


@apps.route.agent(apps.source(apps.route, topics.NOTIFICATIONS), concurrency=1)
async def notifications(stream: Any) -> None:
    """Route every batch of notifications."""
    await each_batch(stream, router)
