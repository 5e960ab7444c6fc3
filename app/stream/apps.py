"""The Faust apps, each a consumer group of its own, so that they scale and fail apart."""

import asyncio
import sys
from collections.abc import Collection
from typing import Any

import faust
import structlog
from aiokafka.errors import KafkaError
from faust.app.base import BootStrategy
from faust.types import TP

from app import kafka, rules_file, settings
from app.rules_topic import Rules
from app.stream.batches import BatchScheduler, BatchSchema
from app.stream.table import Manager, Table
from app.stream.transport import Transport
from app.stream.watch import (
    EXIT_CONFIG,
    EXIT_UNFINISHED,
    LOOK_S,
    SESSION_TIMEOUT_S,
    boot_clock,
    end,
    progress,
    pulse,
)
from schemas import topics
from tables.rules import Rule, RulesError

log = structlog.get_logger()


def _configured() -> tuple[settings.Settings, tuple[Rule, ...]]:
    try:
        read = settings.read()
        return read, rules_file.load(read.rules)
    except (settings.SettingsError, RulesError) as error:
        sys.stderr.write(f"changeover: {error}\n")
        raise SystemExit(EXIT_CONFIG) from None


SETTINGS, BASE = _configured()
rules = Rules(SETTINGS.servers, BASE, boot_clock)
# Batches; 1 would let old values overwrite newer ones (tables/recovery.py:489).
RECOVERY_BUFFER = 4
STOP_S = 9.0  # a second before whoever stops it would kill it
BUFFERED = 8  # batches of at most 5,000 records that wait for an agent: most of a worker's memory
SOURCES = frozenset(topic.name for topic in topics.TOPICS if not topic.compacted)


async def check_topics() -> None:
    """Return if every topic is there with as many partitions as are set; else end the process."""
    try:
        counts = await kafka.partition_counts(SETTINGS.servers)
    except kafka.ReadError as error:
        end(EXIT_UNFINISHED, "kafka_unreachable", reason=str(error))
    for topic in topics.TOPICS:
        found = counts.get(topic.name, 0)
        if found != SETTINGS.partitions:
            remedy = f"set CHANGEOVER_PARTITIONS={found}" if found else "run `changeover up` once"
            end(
                EXIT_CONFIG,
                "topic_refused",
                topic=topic.name,
                partitions=found,
                wanted=SETTINGS.partitions,
                remedy=remedy,
            )


class Boot(BootStrategy):
    """Faust's start without its web server, which would listen on all addresses."""

    enable_web = False


class App(faust.App):
    """A Faust app on our transport."""

    BootStrategy = Boot

    async def on_start(self) -> None:
        """Refuse topics that are not as they must be; then watch over what runs."""
        await check_topics()
        self.add_future(pulse.run())
        self.add_future(rules.run())
        self.add_future(self._watch())
        await super().on_start()

    async def ends(self, names: Collection[str]) -> dict[TP, int]:
        """Return where each partition of ``names`` ends that is ours.

        Raises:
            KafkaError: no broker says so.
        """
        ours = {tp for tp in self.consumer.assignment() if tp.topic in names}
        return dict(await self.consumer.highwaters(*ours)) if ours else {}

    def handled(self, tp: TP) -> int:
        """Return the offset before which everything of a partition of ours was handled."""
        consumer: Any = self.consumer
        last = progress.handled.get(tp, -1)
        return max(consumer._committed_offset[tp] or 0, last + 1)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                ends = await self.ends(SOURCES)
            except KafkaError as error:  # nothing is known of the ends while no broker answers
                log.warning("ends_unknown", error=str(error))
                continue
            stuck = progress.stuck(ends, boot_clock())
            if stuck is not None:
                place = f"{stuck.topic}:{stuck.partition}"
                handled = progress.handled.get(stuck)
                end(
                    EXIT_UNFINISHED,
                    "partition_stuck",
                    place=place,
                    handled=handled,
                    end=ends[stuck],
                )

    async def stop(self) -> None:
        """Finish the batch, commit, leave; a group that is joined anew may keep it waiting.

        Where that takes too long the process ends as it is, which loses nothing.
        """
        asyncio.get_running_loop().call_later(STOP_S, end, 0, "stop_took_too_long")
        await super().stop()

    def _create_directories(self) -> None:
        """Create none: tables live in memory and on their changelogs."""

    def _new_transport(self) -> Any:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Any:
        return Transport(self.conf.broker_producer, self)


def create(group: str) -> App:
    """Return the app whose consumer group is ``group``."""
    return App(
        group,
        broker=[f"aiokafka://{server.strip()}" for server in SETTINGS.servers.split(",")],
        store="memory://",
        Table=Table,
        TableManager=Manager,
        ConsumerScheduler=BatchScheduler,
        worker_redirect_stdouts=False,  # else each line of ours is a warning of Faust's
        topic_partitions=SETTINGS.partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        stream_buffer_maxsize=BUFFERED,
        broker_max_poll_records=5_000,
        broker_commit_interval=1.0,
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_rebalance_timeout=20.0,
        broker_heartbeat_interval=3.0,
        producer_linger=0.0,
        producer_max_batch_size=262_144,
        producer_max_request_size=topics.LARGEST_RECORD,
        producer_compression_type="zstd",
        producer_request_timeout=30.0,
    )


def source(app: App, name: str) -> Any:
    """Return topic ``name`` for an agent of ``app``, to be read in batches."""
    return app.topic(name, schema=BatchSchema(), partitions=SETTINGS.partitions)


def table(app: App, name: str, of: str) -> Any:
    """Return the table ``name`` of ``app``, kept on the topic ``<group>-<name>-changelog``.

    of: the topic that is folded into it.
    """
    made: Any = app.Table(
        name,
        key_type=bytes,
        value_type=bytes,
        partitions=SETTINGS.partitions,
        recovery_buffer_size=RECOVERY_BUFFER,
    )
    made.source = of
    return made


decide = create(topics.DECIDE)
route = create(topics.ROUTE)
deliver = create(topics.DELIVER)
