"""The SIM's PIN: a wrong one costs one try, whatever happens meanwhile."""

from pathlib import Path

import pytest

from app.sim800 import Simulator
from edge.sim800 import unlock
from edge.sim800.modem import Modem, Outcome, State
from edge.sim800.unlock import Given, Pins
from tests.edge.sim800.running import eventually, sending_of, with_modem


@pytest.fixture
def locked(sim: Simulator) -> Simulator:
    sim.core.pin = "1234"
    sim.core.reset(silent=True)
    return sim


async def until_it_rests(modem: Modem, _heard: list[str]) -> str:
    await eventually(lambda: modem.status.state is State.RESTING)
    return modem.status.trouble


def given(sim: Simulator) -> list[str]:
    return [each for each in sim.core.commands if each.startswith("AT+CPIN=")]


def test_a_wrong_pin_is_not_given_again_after_a_replug(locked: Simulator) -> None:
    async def work(modem: Modem, heard: list[str]) -> None:
        for _ in range(2):
            await until_it_rests(modem, heard)
            locked.unplug()
            await eventually(lambda: modem.status.state is State.ABSENT)
            locked.plug(silent=True)
        await until_it_rests(modem, heard)

    with_modem(locked, work, pin="9999")

    assert (locked.core.tries, given(locked)) == (2, ['AT+CPIN="9999"'])


def test_a_wrong_pin_is_not_given_again_after_a_restart(locked: Simulator, tmp_path: Path) -> None:
    pins = tmp_path / "spool.db.pin"
    assert "refuses the PIN" in with_modem(locked, until_it_rests, pin="9999", pins=pins)
    assert "refused its PIN before" in with_modem(locked, until_it_rests, pin="9999", pins=pins)
    assert b"9999" not in pins.read_bytes()
    assert pins.stat().st_mode & 0o777 == 0o600
    assert with_modem(locked, sending_of(), pin="1234", pins=pins).outcome is Outcome.SENT

    assert given(locked) == ['AT+CPIN="9999"', 'AT+CPIN="1234"']
    assert not pins.exists()


def test_a_wrong_pin_whose_refusal_is_late_is_not_given_again(
    locked: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unlock, "PIN_S", 0.5)
    fail = locked.core._fail

    def late(error: str) -> None:
        if error == "CME 16":
            locked.core.say(0.8, "+CME ERROR: 16")
        else:
            fail(error)

    monkeypatch.setattr(locked.core, "_fail", late)

    async def work(modem: Modem, heard: list[str]) -> str:
        said = ""
        for _ in range(3):
            said += await until_it_rests(modem, heard)
            await eventually(lambda: modem.status.state is not State.RESTING)
        return said

    assert "9999" not in with_modem(locked, work, pin="9999")
    assert (locked.core.tries, given(locked)) == (2, ['AT+CPIN="9999"'])


def test_a_module_that_starts_anew_at_its_pin_is_given_it_again(
    locked: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real, resets = locked.core._cpin, list[str]()

    def cpin(part: str) -> tuple[str | None, list[str]]:
        if part.startswith("+CPIN=") and not resets:
            resets.append(part)
            locked.core.reset(silent=True)
            return None, []
        return real(part)

    monkeypatch.setattr(locked.core, "_cpin", cpin)

    result = with_modem(locked, sending_of(), pin="1234", pins=tmp_path / "pin")

    assert (result.outcome, len(given(locked))) == (Outcome.SENT, 2)


def test_a_right_pin_is_given_though_somebody_else_lost_a_try(
    locked: Simulator, tmp_path: Path
) -> None:
    pins = tmp_path / "pin"
    with_modem(locked, sending_of(), pin="1234", pins=pins)
    locked.core.reset(silent=True)
    locked.core.tries = 2

    assert with_modem(locked, sending_of(), pin="1234", pins=pins).outcome is Outcome.SENT


@pytest.mark.parametrize("content", [b"", b"{}", b"nonsense"])
def test_what_cannot_be_remembered_stops_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "pin"
    path.write_bytes(content)
    pins = Pins(path)
    assert not pins.refused("k", 0)
    path.unlink()
    path.mkdir()
    pins.note(Given("k", 3))

    assert pins.refused("k", 2)
    assert not pins.refused("k", 3)
    assert not pins.refused("other", 2)


def test_a_sim_that_says_nothing_is_trouble(
    locked: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locked.core, "_cpin", lambda _part: (None, []))

    assert with_modem(locked, until_it_rests) == "the SIM cannot be used: no answer"
