"""The broker: it answers when it has started, keeps its data, and says what is wrong."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from app import kafka
from app.broker import jars, node
from app.broker.errors import (
    BrokerFailedError,
    ClusterUnreachableError,
    DataDirectoryError,
    FetchError,
    MissingProgramError,
    PortInUseError,
    TopicMismatchError,
)
from app.broker.node import Node
from app.broker.ports import LOOPBACK, free_port, in_use
from app.broker.topics import describe, ensure
from schemas import topics

pytestmark = pytest.mark.kafka


async def write(servers: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer:
        await producer.send_and_wait(topics.TRANSITIONS, value, key=b"home")


async def values(servers: str) -> list[bytes]:
    return [record.value async for record in kafka.read(servers, [topics.TRANSITIONS])]


def test_data_survives_a_stop_and_a_kill(tmp_path: Path) -> None:
    with Node(tmp_path, free_port()) as first:
        asyncio.run(ensure(first.servers, 4))
        asyncio.run(write(first.servers, b"one"))
    with Node(tmp_path, free_port()) as second:
        asyncio.run(write(second.servers, b"two"))
        assert second._process is not None
        second._process.kill()
    with Node(tmp_path, free_port()) as third:
        seen = asyncio.run(values(third.servers))
        with pytest.raises(DataDirectoryError, match="another broker runs on"):
            Node(tmp_path, free_port()).start()

    assert seen == [b"one", b"two"]


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"port {port}.*CHANGEOVER_BROKER_PORT"):
            Node(tmp_path, port).start()


def test_without_java_the_command_that_installs_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingProgramError, match=r"Java is missing.*apt-get install"):
        Node(tmp_path, free_port()).start()


def program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_an_old_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "java", "echo 'openjdk version \"11.0.2\"' >&2")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingProgramError, match=r"Java 17 or newer is needed \(openjdk"):
        jars.check_java()


def test_without_maven_the_command_that_installs_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CHANGEOVER_JARS", str(tmp_path / "jars"))

    with pytest.raises(MissingProgramError, match=r"Maven is missing.*apt-get install"):
        jars.fetched(print)


def test_what_maven_says_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "mvn", "echo 'the network is unreachable'; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setenv("CHANGEOVER_JARS", str(tmp_path / "jars"))

    with pytest.raises(FetchError, match="the network is unreachable"):
        jars.fetched(print)
    assert not (tmp_path / "jars").exists()


def test_half_written_data_is_left_as_it_is(tmp_path: Path) -> None:
    data = tmp_path / "broker" / "data"
    (data / "transitions-0").mkdir(parents=True)

    with pytest.raises(DataDirectoryError, match=r"half-written.*mv "):
        Node(tmp_path, free_port()).start()
    assert (data / "transitions-0").is_dir()


def test_an_interrupted_first_format_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "broker" / "data.new" / "rest").mkdir(parents=True)

    with Node(tmp_path, free_port()):
        assert (tmp_path / "broker" / "data" / "meta.properties").exists()


def test_a_cluster_id_may_begin_with_a_dash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dashed = uuid.UUID(bytes=b"\xfb" + b"\xef" * 15)  # base64 for URLs: "-…"
    monkeypatch.setattr(uuid, "uuid4", lambda: dashed)

    with Node(tmp_path, free_port()):
        text = (tmp_path / "broker" / "data" / "meta.properties").read_text()

    assert "cluster.id=-" in text.replace("\\", "")


def test_data_without_its_metadata_log_is_left_as_it_is(tmp_path: Path) -> None:
    data = tmp_path / "broker" / "data"
    (data / "transitions-0").mkdir(parents=True)
    (data / "meta.properties").write_text("version=1\n")

    with pytest.raises(DataDirectoryError, match=r"has no __cluster_metadata-0.*mv "):
        Node(tmp_path, free_port()).start()
    assert [each.name for each in data.glob("transitions*")] == ["transitions-0"]


def test_a_home_may_have_any_name(tmp_path: Path) -> None:
    with Node(tmp_path / "Zoë, at home", free_port()):
        assert (tmp_path / "Zoë, at home" / "broker" / "data" / "__cluster_metadata-0").exists()


def test_the_brokers_own_error_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "PROPERTIES", node.PROPERTIES + "num.io.threads=0\n")

    with pytest.raises(BrokerFailedError, match=r"num.io.threads"):
        Node(tmp_path, free_port()).start()


def test_a_broker_whose_parent_is_killed_ends(tmp_path: Path) -> None:
    port = free_port()
    script = (
        "import sys, pathlib; from app.broker.node import Node;"
        f"Node(pathlib.Path({str(tmp_path)!r}), {port}).start(); print('up', flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        (sys.executable, "-c", script), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        os.kill(parent.pid, signal.SIGKILL)

    with Node(tmp_path, port):  # waits for the other to go; it was told when its parent died
        pass
    assert not in_use(port)


def test_a_folder_named_for_jars_without_kafka_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = "${last#-DoutputDirectory=}"
    program(
        tmp_path, "mvn", f'for last; do :; done; mkdir -p "{target}"; : > "{target}/kafka_1.jar"'
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    (tmp_path / "jars").mkdir()
    monkeypatch.setenv("CHANGEOVER_JARS", str(tmp_path / "jars"))

    assert jars.fetched(print).joinpath("kafka_1.jar").exists()  # it was empty
    (tmp_path / "jars" / "kafka_1.jar").rename(tmp_path / "jars" / "photo.jpg")
    with pytest.raises(FetchError, match="holds no Kafka and cannot be replaced"):
        jars.fetched(print)
    assert (tmp_path / "jars" / "photo.jpg").exists()


def test_looking_at_topics_creates_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    willing = node.PROPERTIES.replace("topics.enable=false", "topics.enable=true")
    monkeypatch.setattr(node, "PROPERTIES", willing)

    with Node(tmp_path, free_port()) as broker:
        assert asyncio.run(describe(broker.servers)) == []
        asyncio.run(ensure(broker.servers, 4))
        found = asyncio.run(describe(broker.servers))

    assert {each.partitions for each in found} == {4}


def test_topics_are_made_as_they_must_be_and_checked(kafka: str) -> None:
    asyncio.run(ensure(kafka, 4))  # again: they exist
    found = {each.name: each for each in asyncio.run(describe(kafka))}

    assert list(found) == [topic.name for topic in topics.TOPICS]
    assert found[topics.TRANSITIONS].kept == "for ever"
    assert found[topics.SMS].kept == "1w"
    assert {each.partitions for each in found.values()} == {4}
    with pytest.raises(TopicMismatchError, match="has 4 partitions, not 5"):
        asyncio.run(ensure(kafka, 5))


def test_no_cluster_is_told_with_its_address() -> None:
    port = free_port()

    with pytest.raises(ClusterUnreachableError, match=f"no Kafka answers at 127.0.0.1:{port}"):
        asyncio.run(ensure(f"127.0.0.1:{port}", 4))


def test_a_free_port_is_none_of_those_that_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter((5, 5, 7))
    monkeypatch.setattr("secrets.randbelow", lambda _: next(drawn))
    monkeypatch.setattr("app.broker.ports.in_use", lambda _: False)

    assert free_port(10_005) == 10_007
