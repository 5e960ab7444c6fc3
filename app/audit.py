"""Deciding again on everything recorded, and comparing with what was decided, byte for byte."""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError as CoordinatorNotAvailable

from app import kafka
from app.replay import STREAMS, Replay, begin, recorded
from schemas import codec, topics
from schemas.decision import Decision
from schemas.escalation import Taken, Unanswered
from schemas.handover import Held
from tables.entries import Entry
from tables.rules import Rule

POLL_S = 0.5
ORIGIN = re.compile(rb"(?P<topic>[\w.-]+):(?P<partition>\d+):(?P<offset>\d+)", re.ASCII)
COUNTS = ("duplicates", "missing", "late", "rollbacks", "behind")  # of an entry, and of a report


class BehindError(Exception):
    """The workers have not decided on all that is recorded; the sentence says what to do."""


class Difference(msgspec.Struct, frozen=True):
    """One decision, or what became of it, that is not what it was. None: none on that side."""

    id: str
    device: str
    rule: str
    recorded: str | None
    expected: str | None


class Report(msgspec.Struct, kw_only=True):
    """What an audit found.

    duplicates: events recorded more than once. missing: numbers that devices left out.
    late: events older than the time of their stream. rollbacks: spools that were set back.
    behind: events of a spool that was set back or lost, which had been decided before.
    copies: decisions recorded more than once, all equal.
    """

    events: int = 0
    unreadable: int = 0
    duplicates: int = 0
    missing: int = 0
    late: int = 0
    rollbacks: int = 0
    behind: int = 0
    decisions: int = 0
    copies: int = 0
    differences: list[Difference] = []


class Audit:
    """One audit of one cluster under one set of rules."""

    def __init__(self, servers: str, rules: tuple[Rule, ...]) -> None:
        """Stand ready to audit what the cluster at ``servers`` holds, ``rules`` as its base."""
        self._servers = servers
        self._base = rules
        self._expected: dict[str, bytes] = {}
        self._recorded: dict[str, bytes] = {}
        self._later: list[tuple[Any, TopicPartition, int]] = []
        self._report = Report()

    async def run(self, wait_s: float, progress: Callable[[int, int], None]) -> Report:
        """Return what was found.

        wait_s: how long to wait for workers that are behind.
        progress: called with the records read and their number.

        Raises:
            ReadError: there is no broker, or a topic is missing.
            BehindError: the workers have not come so far.
        """
        ends = await kafka.end_offsets(self._servers, STREAMS)
        await self._decided_to(ends, wait_s)
        replay = await begin(self._servers, self._base)
        async for record in recorded(self._servers, ends, progress):
            self._decide(replay, record)
        for count in COUNTS:
            entries = (each for each in replay.states.values() if isinstance(each, Entry))
            setattr(self._report, count, sum(getattr(each.counts, count) for each in entries))
        async for record in kafka.read(self._servers, [topics.NOTIFICATIONS]):
            self._compare(record, ends)
        ends = await kafka.end_offsets(self._servers, STREAMS)
        for record, partition, offset in self._later:  # decided meanwhile, or so they say
            if offset >= ends.get(partition, 0):
                self._differ(_place(record), record.value, None)
        for identity in self._expected.keys() - self._recorded.keys():
            self._differ(identity, None, self._expected[identity])
        return self._report

    async def _decided_to(self, ends: Mapping[TopicPartition, int], wait_s: float) -> None:
        behind = sum(ends.values())
        try:
            async with kafka.administering(self._servers) as admin, asyncio.timeout(wait_s):
                while behind := await self._behind(admin, ends):
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise BehindError(
                f"the workers are {behind} records behind; let them run: changeover up"
            ) from None

    async def _behind(self, admin: AIOKafkaAdminClient, ends: Mapping[TopicPartition, int]) -> int:
        try:
            committed = await admin.list_consumer_group_offsets(topics.DECIDE)
        except CoordinatorNotAvailable:  # nobody has ever committed here
            committed = {}
        offsets = {partition: max(0, each.offset) for partition, each in committed.items()}
        return sum(max(0, end - offsets.get(partition, 0)) for partition, end in ends.items())

    def _decide(self, replay: Replay, record: Any) -> None:
        self._report.events += 1
        outcomes = replay.take(record)
        if outcomes is None:
            self._report.unreadable += 1
            return
        for outcome in outcomes:
            told = outcome.decision if isinstance(outcome, Held) else outcome
            self._report.decisions += isinstance(told, Decision)
            self._expected[told.id] = codec.encode(told)

    def _compare(self, record: Any, ends: Mapping[TopicPartition, int]) -> None:
        revealed = _revealed(record)
        if revealed is not None and revealed[1] >= ends.get(revealed[0], 0):
            self._later.append((record, *revealed))
            return
        told = codec.decode(codec.notification, record.value)
        if isinstance(told, Taken | Unanswered):  # people and outboxes say so: nothing decides it
            return
        identity = _place(record) if isinstance(told, codec.Unreadable) else told.id
        if identity in self._recorded:
            if self._recorded[identity] == record.value:
                self._report.copies += 1
            else:
                self._differ(identity, record.value, self._recorded[identity])
            return
        self._recorded[identity] = record.value
        expected = self._expected.get(identity)
        if expected != record.value:
            self._differ(identity, record.value, expected)

    def _differ(self, identity: str, recorded: bytes | None, expected: bytes | None) -> None:
        shown = codec.decode(codec.notification, expected or recorded)
        device = "" if isinstance(shown, codec.Unreadable) else shown.device
        rule = shown.rule if isinstance(shown, Decision) else ""
        difference = Difference(identity, device, rule, _text(recorded), _text(expected))
        self._report.differences.append(difference)


def _revealed(record: Any) -> tuple[TopicPartition, int] | None:
    """Return where the event lies that revealed a decision; None if it does not say."""
    origin = ORIGIN.fullmatch(dict(record.headers).get("origin", b""))
    if origin is None:
        return None
    partition = TopicPartition(origin["topic"].decode(), int(origin["partition"]))
    return partition, int(origin["offset"])


def _place(record: Any) -> str:
    return f"{record.topic}:{record.partition}:{record.offset}"


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")
