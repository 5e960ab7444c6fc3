"""The versions of rules that operators put on the topic ``rules``: written, read, followed."""

import asyncio
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from app import kafka
from schemas import codec, topics
from schemas.record import OutOfRangeError, check_instant
from schemas.rules import RuleVersion
from tables import rules
from tables.rulebook import Rulebook, Version
from tables.rules import Rule, RulesError

log = structlog.get_logger()
FRESH_S = 30.0  # design: who has not confirmed the end of `rules` for so long does not decide
CONFIRM_S = 5.0
RETRY_S = 1.0
WAIT_S = 0.1


class Written:
    """The versions on the topic: of two records of one version the first appended counts."""

    def __init__(self) -> None:
        """Begin with none."""
        self._records: dict[tuple[str, int], tuple[tuple[int, int, int], RuleVersion]] = {}
        self._versions: dict[tuple[str, int], Version] = {}

    def add(self, record: Any) -> bool:
        """Take aiokafka's ``record``, and return whether it holds; it may come again.

        One that is no version is logged and left out.
        """
        written = codec.decode(codec.rule_version, record.value)
        place = f"{record.topic}:{record.partition}:{record.offset}"
        if isinstance(written, codec.Unreadable):
            log.warning("rule_unreadable", place=place, reason=written.reason)
            return False
        key = written.name, written.version
        rank = record.timestamp, record.partition, record.offset
        if key in self._records and self._records[key][0] <= rank:
            return False
        try:
            version = _version(written, record.timestamp)
        except RulesError as error:
            log.warning("rule_unreadable", place=place, reason=str(error))
            return False
        self._records[key] = rank, written
        self._versions[key] = version
        return True

    @property
    def records(self) -> list[RuleVersion]:
        """Return what was written, by name and version."""
        return [self._records[key][1] for key in sorted(self._records)]

    @property
    def versions(self) -> list[Version]:
        """Return the same, ready for a rulebook."""
        return [self._versions[key] for key in sorted(self._versions)]


def _version(written: RuleVersion, appended_ms: int) -> Version:
    """Return what ``written`` says.

    Raises:
        RulesError: it cannot be in force; the sentence says why.
    """
    rule = None if written.rule is None else rules.from_written(written.rule)
    if rule is not None and rule.name != written.name:
        raise RulesError(f"it is a version of {written.name}, and its rule is {rule.name}")
    try:
        check_instant(written.effective_from)
    except OutOfRangeError as error:
        raise RulesError(str(error)) from None
    since = written.effective_from.astimezone(UTC)
    return Version(written.name, written.version, since, appended_ms, rule)


async def written(servers: str) -> Written:
    """Return all versions on the topic.

    Raises:
        ReadError: there is no broker, or no such topic.
    """
    found = Written()
    async for record in kafka.read(servers, [topics.RULES]):
        found.add(record)
    return found


async def write(servers: str, versions: Iterable[RuleVersion]) -> Written:
    """Append ``versions``; return all that is on the topic afterwards.

    A key is never used twice, so that compaction removes none.

    Raises:
        ReadError: there is no broker, or no longer; the sentence says what was written before.
        RulesError: one of them could not be read again: nothing is written. Or somebody else wrote
            one of these versions first: the others are written.
    """
    mine = list(versions)
    values = [_checked(version) for version in mine]
    done: list[str] = []
    try:
        async with kafka.producing(servers) as producer:
            for version, value in zip(mine, values, strict=True):
                key = f"{version.name}:{version.version}:{secrets.token_hex(4)}".encode()
                await producer.send_and_wait(topics.RULES, value, key=key)
                done.append(version.name)
    except kafka.ReadError as error:
        raise kafka.ReadError(f"{error}; written before: {', '.join(done) or 'none'}") from None
    found = await written(servers)
    for lost in mine:
        if lost not in found.records:
            raise RulesError(
                f"somebody else wrote version {lost.version} of {lost.name} meanwhile, and it "
                "holds: look with `changeover rules history`, and apply again"
            )
    return found


def _checked(version: RuleVersion) -> bytes:
    """Return ``version`` as it is written.

    Raises:
        RulesError: nobody could read it again, or not as it is.
    """
    value = codec.encode(version)
    again = codec.decode(codec.rule_version, value)
    if isinstance(again, codec.Unreadable):
        raise RulesError(f"{version.name}: {again.reason}")
    _version(again, 0)
    if len(value) > topics.LARGEST_RECORD // 2:
        raise RulesError(f"{version.name}: {len(value)} bytes are too many for one record")
    return value


class Rules:
    """The rules a worker decides under: it follows the topic, and knows how far it has read."""

    def __init__(self, servers: str, base: tuple[Rule, ...], clock: Callable[[], float]) -> None:
        """Take ``base`` for what was always in force. clock: monotonic, in seconds."""
        self._servers = servers
        self._base = base
        self._clock = clock
        self._written = Written()
        self._books: dict[str, Rulebook] = {}
        self._confirmed_s: float | None = None

    def book(self, stream: str) -> Rulebook:
        """Return the rules of ``stream`` with all their versions."""
        if stream not in self._books:
            self._books[stream] = Rulebook(stream, self._base, self._written.versions)
        return self._books[stream]

    def add(self, record: Any) -> None:
        """Take another record of the topic."""
        if self._written.add(record):
            self._books.clear()

    @property
    def fresh(self) -> bool:
        """Return whether the end of the topic was confirmed a short while ago."""
        return self._confirmed_s is not None and self._clock() - self._confirmed_s < FRESH_S

    async def confirmed(self) -> None:
        """Return when it is fresh: until then nobody may decide."""
        if self.fresh:
            return
        log.warning("rules_unconfirmed", servers=self._servers)
        while not self.fresh:
            await asyncio.sleep(WAIT_S)
        log.info("rules_confirmed")

    async def run(self) -> None:
        """Follow the topic for ever; a broker that is away is tried again."""
        while True:
            try:
                async with kafka.consuming(self._servers, [topics.RULES]) as consumer:
                    await self._follow(consumer)
            except (KafkaError, kafka.ReadError) as error:
                log.warning("rules_unread", reason=str(error))
                await asyncio.sleep(RETRY_S)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            asked_s = self._clock()
            ours = consumer.assignment()
            if not ours:  # of a topic that no broker tells of aiokafka assigns nothing, and goes on
                raise kafka.ReadError(f"{self._servers}: the topic {topics.RULES} cannot be read")
            ends = await consumer.end_offsets(ours)
            while [tp for tp, end in ends.items() if await consumer.position(tp) < end]:
                for records in (await consumer.getmany(timeout_ms=1_000)).values():
                    for record in records:
                        self.add(record)
            self._confirmed_s = asked_s
            await asyncio.sleep(CONFIRM_S)
