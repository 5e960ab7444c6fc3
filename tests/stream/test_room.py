"""The stream room: what it relies on in Faust and aiokafka, and what it does with batches."""

import asyncio
import inspect
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from faust import App as FaustApp
from faust.stores.memory import Store as MemoryStore
from faust.streams import Stream
from faust.tables.base import Collection as FaustCollection
from faust.tables.manager import TableManager
from faust.tables.table import Table as FaustTable
from faust.topics import Topic
from faust.transport.consumer import Consumer as FaustConsumer
from faust.transport.drivers import aiokafka as drivers
from faust.types import TP

from app.stream import apps
from app.stream.batches import Batch, BatchScheduler, FetchedBatch, follows
from app.stream.transport import Consumer, Producer, whole
from app.stream.watch import EXIT_CONFIG, EXIT_UNFINISHED
from tests.records import fetched

PINNED = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0"}
RELIED_ON: tuple[tuple[Any, str, list[str]], ...] = (
    (FaustApp, "_create_directories", ["self"]),
    (FaustApp, "_new_transport", ["self"]),
    (FaustApp, "_new_producer_transport", ["self"]),
    (FaustApp, "on_start", ["self"]),
    (drivers.AIOKafkaConsumerThread, "_create_worker_consumer", ["self", "transport"]),
    (drivers.Consumer, "_new_consumer_thread", ["self"]),
    (FaustConsumer, "_getmany", ["self", "active_partitions", "timeout"]),
    (FaustConsumer, "_wait_next_records", ["self", "timeout"]),
    (FaustConsumer, "_get_active_partitions", ["self"]),
    (FaustConsumer, "on_partitions_assigned", ["self", "assigned", "generation_id"]),
    (FaustConsumer, "_new_offset", ["self", "tp"]),
    (FaustConsumer, "_add_gap", ["self", "tp", "offset_from", "offset_to"]),
    (FaustConsumer, "on_partitions_revoked", ["self", "revoked"]),
    (FaustConsumer, "highwaters", ["self", "partitions"]),
    (FaustConsumer, "assignment", ["self"]),
    (FaustConsumer, "earliest_offsets", ["self", "partitions"]),
    (drivers.AIOKafkaConsumerThread, "_ensure_consumer", ["self"]),
    (AIOKafkaConsumer, "committed", ["self", "partition"]),
    (drivers.Producer, "_settings_extra", ["self"]),
    (FaustTable, "_new_changelog_topic", ["self", "retention", "compacting", "deleting"]),
    (FaustTable, "_new_store", ["self"]),
    (TableManager, "_update_channels", ["self"]),
    (MemoryStore, "on_recovery_completed", ["self", "active_tps", "standby_tps"]),
    (FaustTable, "apply_changelog_batch", ["self", "batch"]),
    (Topic, "_compile_decode", ["self"]),
    (Stream, "noack", ["self"]),
    (AIOKafkaProducer, "create_batch", ["self"]),
    (AIOKafkaProducer, "send_batch", ["self", "batch", "topic", "partition"]),
    (BatchBuilder, "append", ["self", "timestamp", "key", "value", "headers"]),
    (BatchBuilder, "record_count", ["self"]),
    (BatchBuilder, "close", ["self"]),
)
DEFECTS = (
    (FaustConsumer._wait_next_records, "active_partitions = self._get_active_partitions()"),
    (FaustConsumer._wait_next_records, "await self.sleep(1)"),
    (drivers.AIOKafkaConsumerThread._create_worker_consumer, "fetch_max_wait_ms=1500"),
    (TableManager.on_start, "await self.sleep(1.0)"),
    (FaustConsumer._drain_messages, "if gap > 1 and r_offset:"),
    (FaustConsumer._new_offset, "stuff_to_add.extend(range(entry.begin, entry.end))"),
    (FaustConsumer._drain_messages, "await self._add_gap(tp, r_offset + 1, offset)"),
    (FaustConsumer.on_partitions_revoked, "self._acked.pop(tp, None)"),
    (Stream._c_aiter, "finally:"),
)


@pytest.mark.parametrize("name", PINNED)
def test_the_versions_are_those_whose_insides_were_read(name: str) -> None:
    assert version(name) == PINNED[name], (
        f"{name} changed: read anew what app/stream relies on, and what it overrides"
    )


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    RELIED_ON,
    ids=[f"{each[0].__name__}.{each[1]}" for each in RELIED_ON],
)
def test_what_we_override_or_call_is_still_there(
    owner: Any, name: str, parameters: list[str]
) -> None:
    assert hasattr(owner, name), f"{owner.__name__}.{name} is gone: app/stream needs another way"
    found = list(inspect.signature(getattr(owner, name)).parameters)
    assert found == parameters, f"{owner.__name__}.{name} takes {found} now, not {parameters}"


def test_the_attributes_we_reach_for_are_still_there() -> None:
    assert "self._producer" in inspect.getsource(drivers.Producer)
    assert "self._committed_offset" in inspect.getsource(FaustConsumer)
    assert "self._buffered_partitions.add(tp)" in inspect.getsource(FaustConsumer.on_buffer_full)
    assert "fetch_max_wait_ms=self._fetch_max_wait_ms" in inspect.getsource(AIOKafkaConsumer.start)
    for name in ("_clear", "on_recovery_completed"):
        assert hasattr(MemoryStore, name), f"Store overrides {name}: how does Faust say it now?"
    assert "self._data = self._new_store()" in inspect.getsource(FaustCollection.data.fget)


@pytest.mark.parametrize(("where", "line"), DEFECTS, ids=[each[1] for each in DEFECTS])
def test_the_defects_we_override_are_still_there(where: Any, line: str) -> None:
    assert line in inspect.getsource(where), (
        f"{where.__qualname__} has changed: does app/stream still need its override?"
    )


def test_every_app_uses_the_mended_transport() -> None:
    for app in (apps.decide, apps.route, apps.deliver):
        assert app.transport.Consumer is Consumer
        assert app.producer_transport.Producer is Producer
        assert app.conf.web_enabled is False or app.BootStrategy.enable_web is False


def test_what_was_fetched_of_a_partition_comes_as_one_in_the_last_ones_place() -> None:
    records = [
        SimpleNamespace(topic="t", partition=3, offset=n, timestamp=n, timestamp_type=1)
        for n in (5, 6, 9)
    ]

    scheduler: Any = cast("type[Any]", BatchScheduler)()  # Faust declares its __init__ abstract
    ((partition, batch),) = scheduler.iterate({TP("t", 3): records, TP("t", 4): []})

    assert isinstance(batch, FetchedBatch)
    assert (partition, batch.offset, batch.value) == (TP("t", 3), 9, records)


def test_the_workers_are_loaded_without_a_database_or_a_broker(tmp_path: Path) -> None:
    env = os.environ | {"CHANGEOVER_DATABASE": f"sqlite:///{tmp_path / 'people' / 'x.db'}"}

    subprocess.run((sys.executable, "-c", "import app.worker"), env=env, check=True)

    assert list(tmp_path.iterdir()) == []


def test_a_worker_with_bad_rules_says_so_and_ends(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("[[rule]]\nnmae = 'x'\n")
    env = os.environ | {"CHANGEOVER_RULES": str(tmp_path / "rules.toml")}

    command = (sys.executable, "-c", "import app.worker")
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == EXIT_CONFIG
    assert done.stderr == (
        f"changeover: {tmp_path}/rules.toml: rule number 1: there is no key `nmae`; "
        "`name` is meant?\n"
    )


def test_no_empty_set_is_handed_to_the_client_and_no_full_buffer_waits_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handed: list[Any] = []
    waited: list[float] = []

    async def getmany(_self: Any, partitions: Any, wait_s: float) -> dict[Any, Any]:
        handed.append(partitions)
        waited.append(wait_s)
        return {}

    monkeypatch.setattr(Consumer.__mro__[1], "_getmany", getmany)
    live = {TP("t", 1)}
    consumer: Any = object.__new__(Consumer)
    consumer._buffered_partitions = set()
    for _ in range(2):
        asyncio.run(consumer._getmany(live, 1.0))
        live.clear()  # as a rebalance does, in place
        consumer._buffered_partitions.add(TP("t", 1))  # which will have room before others records

    assert handed[0] == {TP("t", 1)}
    assert handed[1]
    assert TP("t", 1) not in handed[1]
    assert waited[0] == 1.0 > 10 * waited[1]


def test_all_up_to_the_newest_acknowledged_batch_is_committed_and_no_more() -> None:
    consumer: Any = object.__new__(Consumer)
    tp = TP("t", 1)
    consumer._acked, consumer._acked_index = {tp: []}, {tp: set()}
    consumer._gap, consumer._committed_offset = {tp: None}, {tp: 1}
    seen = []
    for acknowledged in ([], [9], [19, 14], []):
        consumer._acked[tp] += acknowledged
        asyncio.run(consumer._add_gap(tp, 10, 99))  # the next batch is handed over
        seen.append(consumer._new_offset(tp))

    assert seen == [None, 10, 20, None]


def test_partitions_without_their_tables_end_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    both = {TP("t", 0), TP("t-changelog", 0), TP("other", 3)}
    whole(both, [("t", "t-changelog")])
    assert ended == []

    whole(both | {TP("t", 1)}, [("t", "t-changelog")])
    assert ended == [EXIT_UNFINISHED]


def batch(first: int, last: int) -> Batch:
    records = [fetched(b"a", b"", offset) for offset in range(first, last + 1)]
    return Batch("t", 1, records)


@pytest.mark.parametrize(("handled", "first"), [(None, 7), (6, 7), (9, 7), (0, 1)])
def test_a_batch_that_leaves_nothing_out_follows(handled: int | None, first: int) -> None:
    follows(handled, batch(first, 20))


@pytest.mark.parametrize(
    ("committed", "earliest", "first", "left_out"),
    [
        (10, 0, 10, False),  # it goes on where the group is
        (10, 0, 4, False),  # a redelivery
        (10, 0, 11, True),
        (None, 0, 0, False),  # a new group
        (None, 0, 1, True),
        (10, 20, 20, False),  # what lay between is no longer kept
        (10, 20, 21, True),
    ],
)
def test_the_first_batch_of_an_assignment_goes_on_where_the_group_is(
    committed: int | None, earliest: int, first: int, left_out: bool
) -> None:
    tp = TP("t", 1)

    class Thread:
        async def committed(self, _tp: TP) -> int | None:
            return committed

        async def earliest_offsets(self, *_tps: TP) -> dict[TP, int]:
            return {tp: earliest}

    consumer: Any = object.__new__(Consumer)
    consumer._thread = Thread()

    assert asyncio.run(consumer.left_out(tp, first)) is left_out


def test_a_batch_that_leaves_records_out_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    follows(5, batch(7, 20))

    assert ended == [EXIT_UNFINISHED]


def test_what_is_acknowledged_is_committed_before_partitions_are_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[str] = []

    async def commit(_self: Any) -> None:
        steps.append("commit")

    async def revoked(_self: Any, _revoked: set[TP]) -> None:
        steps.append("revoke")

    monkeypatch.setattr(Consumer, "commit", commit)
    monkeypatch.setattr(Consumer.__mro__[1], "on_partitions_revoked", revoked)
    consumer: Any = object.__new__(Consumer)
    consumer._buffered_partitions = {TP("t", 1), TP("t", 2)}
    asyncio.run(consumer.on_partitions_revoked({TP("t", 1)}))

    assert steps == ["commit", "revoke"]
    assert consumer._buffered_partitions == {TP("t", 2)}  # another's is full no more
