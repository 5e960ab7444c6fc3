"""The simulated module is no private dialect: Debian's own programs send and receive through it."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.sim800 import Simulator
from tests.sim800.peers import PEERS, running

NUMBER = "+380441234567"
TEXTS = ("hello", "the generator runs outside its hours " * 11, "світло повернулося")
WITHIN_S = 90.0
PROGRAMS = {"gammu-smsd": "gammu-smsd", "smstools": "smsd"}


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)  # the peers tell nobody when they have sent


def arrived(sim: Simulator) -> list[str]:
    """Return the texts that went out, long ones put together."""
    whole: list[str] = []
    for each in list(sim.sent):
        if each.text.place is None or each.text.place[1] == 1:
            whole.append("")
        whole[-1] += each.text.text
    return whole


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_sends_and_receives(name: str, tmp_path: Path) -> None:
    if shutil.which(PROGRAMS[name]) is None:
        pytest.skip(f"{PROGRAMS[name]} is not installed: deploy/prerequisites modems")
    with Simulator(tmp_path / "modem") as sim, running(name, tmp_path, sim.path) as peer:
        sim.core.latency_s = 0.2
        for count, text in enumerate(TEXTS, 1):
            peer.queue(NUMBER, text)
            eventually(lambda count=count: len(arrived(sim)) == count)  # type: ignore[misc]
            eventually(lambda text=text: "".join(arrived(sim)[-1:]).strip() == text.strip())  # type: ignore[misc]
        sim.receive("+15550100", "STATUS")
        eventually(lambda: [each.strip() for each in peer.received()] == ["STATUS"])

    assert {each.text.number for each in sim.sent} == {NUMBER}
    assert [each.strip() for each in arrived(sim)] == [each.strip() for each in TEXTS]
