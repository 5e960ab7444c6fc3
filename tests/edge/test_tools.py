"""``changeover edge check``, ``status`` and ``test-sms``, as their users run them."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.sim800 import Simulator
from tests.edge.logs import TRANSITIONS, append, environment, transition_text

COMMAND = (sys.executable, "-c", "from app.cli import main; main()", "edge")
NUMBER = "+380441234567"
CONFIG = """\
device = "home"
brokers = "127.0.0.1:1"
numbers = ["{number}"]

[modem]
port = "{modem}"
"""


def configured(folder: Path, modem: Path) -> Path:
    file = folder / "notifications.config"
    file.write_text(CONFIG.format(number=NUMBER, modem=modem))
    append(folder, TRANSITIONS, transition_text(1, "none"))
    return file


def run(*arguments: str, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (*COMMAND, *arguments, "--config", str(file)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=environment(),
    )


@contextmanager
def running(file: Path) -> Iterator[None]:
    """Run an edge, from when it answers."""
    argv = (*COMMAND, "--config", str(file))
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL, env=environment()) as edge:
        try:
            deadline_s = time.monotonic() + 30
            while run("status", file=file).returncode and time.monotonic() < deadline_s:
                pass
            yield
        finally:
            edge.terminate()


def test_what_is_wrong_with_a_device_is_said_with_its_remedy(tmp_path: Path) -> None:
    file = configured(tmp_path, tmp_path / "none")
    done = run("check", "--json", file=file)
    found = {each["what"]: (each["verdict"], each["says"]) for each in json.loads(done.stdout)}

    assert done.returncode == 1
    assert found["Transition.log"][0] == found["configuration"][0] == found["spool"][0] == "ok"
    assert found["broker 127.0.0.1:1"][0] == "wrong"
    assert "ls /dev/serial/by-id" in found["modem"][1]
    assert "decided here: battery_low" in found["texts"][1]


def test_a_check_makes_nothing_that_would_lock_the_service_out(tmp_path: Path) -> None:
    file = configured(tmp_path, tmp_path / "none")
    before = set(tmp_path.iterdir())

    run("check", file=file)

    assert set(tmp_path.iterdir()) == before


def test_an_edge_that_does_not_run_has_no_status(tmp_path: Path) -> None:
    done = run("status", file=configured(tmp_path, tmp_path / "none"))

    assert done.returncode == 1
    assert "no edge is running" in done.stderr


def test_a_running_edge_says_how_it_is_and_texts(tmp_path: Path) -> None:
    with Simulator(tmp_path / "modem") as sim:
        file = configured(tmp_path, sim.path)
        append(tmp_path, TRANSITIONS, "garbage\n")
        with running(file):
            deadline_s = time.monotonic() + 30
            status: dict[str, Any] = {"source": None, "modem": {"state": ""}}
            while (status["source"], status["modem"]["state"]) != ("none", "ready") or not status[
                "malformed"
            ]:
                assert time.monotonic() < deadline_s, status
                status = json.loads(run("status", "--json", file=file).stdout)
            lines = run("status", file=file).stdout
            texted = run("test-sms", NUMBER, "--text", "hello", file=file)

    assert status["device"] == "home"
    assert "modem      ready, -79 dBm" in lines
    assert "malformed  1, the newest Transition.log:2: " in lines
    assert (texted.returncode, texted.stdout) == (0, "sent\n")
    assert [(each.text.number, each.text.text) for each in sim.sent] == [(NUMBER, "hello")]


def test_without_a_running_edge_the_modem_is_opened(tmp_path: Path) -> None:
    with Simulator(tmp_path / "modem") as sim:
        done = run("test-sms", NUMBER, file=configured(tmp_path, sim.path))

    assert (done.returncode, done.stdout) == (0, "sent\n")
    assert [each.text.text for each in sim.sent] == ["This is a test: home can text you."]


def test_what_is_no_number_is_refused(tmp_path: Path) -> None:
    done = run("test-sms", "0123", file=configured(tmp_path, tmp_path / "none"))

    assert done.returncode == 2
    assert "+2348012345678" in done.stderr


def test_a_file_that_is_no_port_is_said_at_once(tmp_path: Path) -> None:
    file = configured(tmp_path, tmp_path / "notes.txt")
    (tmp_path / "notes.txt").write_text("not a modem")

    done = run("test-sms", NUMBER, file=file)

    assert done.returncode == 1
    assert "notes.txt is no serial port; look at ls /dev/serial/by-id" in done.stderr


def test_an_option_before_the_command_is_refused_and_not_ignored(tmp_path: Path) -> None:
    file = configured(tmp_path, tmp_path / "modem")

    done = run("--json", "status", file=file)

    assert done.returncode == 2
    assert "--json goes behind it: changeover edge status --json" in done.stderr


def test_a_rule_that_is_misspelt_is_told_what_is_meant(tmp_path: Path) -> None:
    file = tmp_path / "notifications.config"
    file.write_text('device = "home"\n[[rule]]\nname = "grid_losst"\n')

    done = run("check", file=file)

    assert done.returncode == 2
    assert "no default rule is called that; did you mean grid_lost?" in done.stderr
