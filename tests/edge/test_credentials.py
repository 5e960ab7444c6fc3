"""A real broker that wants to know who it is: nothing is lost while the password is wrong."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.broker.node import Node
from app.broker.outside import Outside
from app.broker.ports import free_port
from app.broker.topics import ensure
from edge.config import load
from edge.service import Once, Summary, run
from tests.edge.logs import write_many

pytestmark = pytest.mark.kafka
CONFIG = """\
device = "home"
brokers = "127.0.0.1:{port}"

[security]
tls = false
username = "home"
password_file = "password"
mechanism = "PLAIN"
"""


@pytest.fixture(scope="module", name="port")
def _port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    outside = Outside(port, port, {"home": "secret"})
    with Node(tmp_path_factory.mktemp("broker"), free_port(port), outside=outside) as node:
        asyncio.run(ensure(node.servers, 4))
        yield port


def ship(folder: Path, password: str) -> Summary:
    (folder / "password").write_text(password + "\n")
    config = load(folder / "notifications.config", {})
    return asyncio.run(run(config, Once(), patience_s=3))


def test_a_wrong_password_is_said_and_nothing_is_lost(tmp_path: Path, port: int) -> None:
    (tmp_path / "notifications.config").write_text(CONFIG.format(port=port))
    write_many(tmp_path, 100)
    wrong = ship(tmp_path, "guess")
    right = ship(tmp_path, "secret")

    assert (wrong.complete, wrong.shipped, wrong.lines) == (False, 0, 118)
    assert "uthentication" in wrong.trouble
    assert (right.complete, right.waiting, right.lines) == (True, 0, 0)
    assert right.shipped >= wrong.waiting
