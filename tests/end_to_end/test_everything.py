"""The commands that run everything: the demo's story comes true, and nothing is left behind."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from app.broker.ports import LOOPBACK, free_port
from tests.chaos.deliver import mails
from tests.chaos.faults import Faults
from tests.end_to_end.machine import COMMAND, eventually

pytestmark = pytest.mark.kafka


def left(home: Path) -> list[str]:
    """Return the command lines of all processes that were started for ``home``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(home).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it ended while we looked, or is somebody else's
            continue
    return found


@contextmanager
def up(home: Path, **more: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Enter with ``changeover up`` and the file to which it tells what it does."""
    home.mkdir(exist_ok=True)
    env = os.environ | {"CHANGEOVER_HOME": str(home)} | more
    said = home / "said"
    with said.open("wb") as file:
        process = subprocess.Popen((*COMMAND, "up"), env=env, stderr=file)
    try:
        yield process, said
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def ports() -> dict[str, str]:
    return {
        "CHANGEOVER_BROKER_PORT": str(free_port()),
        "CHANGEOVER_DASHBOARD_PORT": str(free_port()),
    }


def test_up_is_ready_answers_and_ends_when_asked(tmp_path: Path) -> None:
    given = ports()
    with up(tmp_path / "home", **given) as (process, said):
        eventually(lambda: b"ready: " in said.read_bytes() or process.poll() is not None)
        pages = httpx2.get(f"http://{LOOPBACK}:{given['CHANGEOVER_DASHBOARD_PORT']}/", timeout=30)
        refusals = {}
        for taken in given:
            with up(tmp_path / "other", **ports() | {taken: given[taken]}) as (second, refused):
                assert second.wait(60) == 1
                refusals[taken] = refused.read_text()
        process.send_signal(signal.SIGINT)
        process.wait(60)

        assert (process.returncode, pages.status_code) == (0, 200)
        for taken, port in given.items():
            assert f"Error: port {port} of 127.0.0.1 is in use" in refusals[taken]
            assert taken in refusals[taken]
    assert left(tmp_path) == []


def test_up_that_is_killed_leaves_nothing_and_starts_again(tmp_path: Path) -> None:
    for _ in range(2):
        with up(tmp_path / "home", **ports()) as (process, said):
            eventually(lambda: b"ready: " in said.read_bytes() or process.poll() is not None)
            assert process.poll() is None, said.read_text()
            process.kill()
            process.wait()
        eventually(lambda: left(tmp_path) == [])


def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    nowhere = f"{LOOPBACK}:{free_port()}"
    with up(tmp_path / "home", KAFKA_BOOTSTRAP_SERVERS=nowhere) as (process, said):
        process.wait(60)

        assert process.returncode == 1
        assert f"Error: no Kafka answers at {nowhere}" in said.read_text()


def test_the_demo_tells_its_story_by_mail_too_and_leaves_nothing(tmp_path: Path) -> None:
    faults = Faults(0, {})
    with mails(faults) as port:
        mail = f"smtp://{LOOPBACK}:{port}?from=alerts@example.com&starttls=never"
        env = os.environ | {"CHANGEOVER_HOME": str(tmp_path), "CHANGEOVER_EMAIL": mail}
        done = subprocess.run(
            (*COMMAND, "demo", "--once"), env=env, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
    outbox = list(tmp_path.glob("demo/*/outbox/*/[!.]*"))

    assert done.returncode == 0, done.stderr
    assert "decisions: 3 fired, 3 resolved, 1 suppressed, 1 suppressed_resolved" in done.stderr
    assert re.search(r"audit: \d+ events decided again, 0 differences", done.stderr)
    # Of 24 one text left by the modem; two were over while a cap held them back.
    assert (len(outbox), sorted(faults.taken.values())) == (9, [1] * 12)
    assert sum("one episode was suppressed" in path.read_text() for path in outbox) == 1
    assert left(tmp_path) == []
