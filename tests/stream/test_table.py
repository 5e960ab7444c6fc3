"""Tables come back from their changelogs as they were written."""

import asyncio
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from app.stream import apps
from app.stream.envelope import sealed


def changelog(
    partition: int, *records: tuple[bytes, int, bytes], topic: str = "test-test-changelog"
) -> Any:
    values = [
        SimpleNamespace(key=key, value=sealed(offset, state)) for key, offset, state in records
    ]
    return SimpleNamespace(message=SimpleNamespace(topic=topic, partition=partition, value=values))


def test_recovery_keeps_the_highest_offset_and_at_equal_ones_the_later_record() -> None:
    table = apps.table(apps.create("test"), "test", "t")
    table.apply_changelog_batch(
        [changelog(2, (b"a", 7, b"new"), (b"b", -1, b"first"), (b"a", 3, b"late from a zombie"))]
    )
    table.apply_changelog_batch([changelog(2, (b"b", -1, b"second"))])
    table.apply_changelog_batch([changelog(2, (b"a", 99, b"not ours"), topic="other")])

    assert table.read(2, b"a") == (7, b"new")
    assert table.read(2, b"b") == (-1, b"second")
    assert table.read(2, b"c") == table.read(1, b"a") == (-1, None)


def test_a_partition_that_is_another_workers_is_forgotten() -> None:
    table = apps.table(apps.create("test"), "test", "t")
    for partition in (1, 2):
        table.apply_changelog_batch([changelog(partition, (b"a", 7, b"x"))])
    asyncio.run(table.on_recovery_completed({TP("test-test-changelog", 2)}, set()))

    assert table.held() == {2: {b"a"}}
