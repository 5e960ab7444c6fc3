"""The systemd unit lets the device's program do what it does: its system calls, by strace."""

import os
import re
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from app.sim800 import Simulator
from tests.edge.logs import TRANSITIONS, append, environment
from tests.edge.test_tools import COMMAND

UNIT = Path(__file__).parents[2] / "deploy" / "changeover-edge.service"


def allowed() -> set[str]:
    """Return the calls that the unit lets through, the sets of systemd among them written out."""
    names = " ".join(re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.MULTILINE)).split()
    known: set[str] = set()
    while names:
        name = names.pop()
        if not name.startswith("@"):
            known.add(name)
            continue
        argv = ("systemd-analyze", "syscall-filter", name)
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        names += [line.strip() for line in done.stdout.splitlines()[1:] if "#" not in line]
    return known


def called(folder: Path, sim: Simulator) -> set[str]:
    """Return the calls of an edge that follows, texts by a modem, tries a broker, and is ended."""
    config, log = folder / "notifications.config", folder / "strace"
    config.write_text(
        'device = "home"\nbrokers = "127.0.0.1:1"\nnumbers = ["+15550100"]\nhandoff = "10s"\n'
        f'[modem]\nport = "{sim.path}"\n[internet]\ntargets = ["tcp://localhost:1"]\nevery = "1s"\n'
        '[[rule]]\nname = "source_none"\nfor = "0s"\n'
    )
    append(folder, TRANSITIONS, f"{datetime.now(UTC).isoformat()} from=grid to=none\n")
    argv = ("strace", "-f", "-qq", "-o", str(log), *COMMAND, "--config", str(config))
    with subprocess.Popen(argv, env=environment(), start_new_session=True) as edge:
        try:
            deadline_s = time.monotonic() + 60
            while not sim.sent and time.monotonic() < deadline_s:
                time.sleep(0.1)  # a modem tells only its peer
        finally:
            os.killpg(edge.pid, signal.SIGTERM)
    return set(re.findall(r"^\d+ +(\w+)\(", log.read_text(), re.MULTILINE))


def test_the_unit_lets_through_what_the_program_calls(tmp_path: Path) -> None:
    with Simulator(tmp_path / "modem") as sim:
        calls = called(tmp_path, sim)

        assert sim.sent
    assert "clock_adjtime" in calls
    assert calls - allowed() == set()
