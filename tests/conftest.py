"""What all tests share: which of them can run here, and a real Kafka for those that want one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.broker.node import Node
from app.broker.ports import free_port
from app.broker.topics import ensure
from tests import recordings
from tests.postgres import postgres

__all__ = ["postgres"]  # a fixture

PARTITIONS = 4


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what reads recordings where there are none."""
    if recordings.available():
        return
    left_out = [item for item in items if item.get_closest_marker("recording")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def pytest_report_header() -> str:
    """Say whether recordings are read."""
    if recordings.available():
        return "recordings: read"
    return "recordings: none here, their tests are left out (CHANGEOVER_DATA names their folder)"


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a Kafka of the tests' own, with every topic on it."""
    with Node(tmp_path_factory.mktemp("kafka"), free_port()) as node:
        asyncio.run(ensure(node.servers, PARTITIONS))
        yield node.servers


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run every test as on a machine on which nothing is set."""
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "CHANGEOVER_RULES", "CHANGEOVER_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CHANGEOVER_HOME", str(tmp_path / "changeover"))
