"""The Faust apps, each a consumer group of its own, so that they scale and fail apart."""

from typing import Any

import faust
from faust.app.base import BootStrategy

from app import rules_file, settings
from app.stream.batches import BatchScheduler, BatchSchema
from app.stream.table import Table
from app.stream.transport import Transport
from schemas import topics
from tables.rules import Rule, RulesError


def _configured() -> tuple[settings.Settings, tuple[Rule, ...]]:
    try:
        read = settings.read()
        return read, rules_file.load(read.rules)
    except (settings.SettingsError, RulesError) as error:
        raise SystemExit(f"changeover: {error}") from None


SETTINGS, RULES = _configured()
RECOVERY_BUFFER = (
    64  # batches; 1 would let old values overwrite newer ones (tables/recovery.py:489)
)


class Boot(BootStrategy):
    """Faust's start without its web server, which would listen on all addresses."""

    enable_web = False


class App(faust.App):
    """A Faust app on our transport."""

    BootStrategy = Boot

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
        ConsumerScheduler=BatchScheduler,
        topic_partitions=SETTINGS.partitions,
        topic_allow_declare=False,
        topic_disable_leader=True,
        table_standby_replicas=0,
        stream_buffer_maxsize=64,
        broker_max_poll_records=5_000,
        broker_commit_interval=1.0,
        broker_session_timeout=10.0,
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


def table(app: App, name: str) -> Any:
    """Return the table ``name`` of ``app``, kept on the topic ``<group>-<name>-changelog``."""
    return app.Table(
        name,
        key_type=bytes,
        value_type=bytes,
        partitions=SETTINGS.partitions,
        recovery_buffer_size=RECOVERY_BUFFER,
    )


decide = create(topics.DECIDE)
route = create(topics.ROUTE)
deliver = create(topics.DELIVER)
