"""What the supervisor does about a modem that is slow, talks nonsense, or never gets ready."""

import asyncio
import time
from pathlib import Path

import pytest

from app.sim800 import Simulator
from edge.sim800 import modem as supervisor
from edge.sim800.modem import Modem, Outcome, Result, Settings, State
from edge.sim800.session import Session
from edge.sim800.waiting import TroubleError
from tests.edge.sim800.running import eventually, sending_of, with_modem


def test_the_ladder_has_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "REST_S", (0.0, 0.0))
    reached = asyncio.Event()

    async def up(_modem: Modem, rung: int) -> None:
        if rung > 1_100:
            reached.set()
        raise TroubleError("no network")

    monkeypatch.setattr(Modem, "_up", up)

    async def work() -> None:
        keeping = asyncio.create_task(Modem(Settings(port=str(tmp_path)), lambda _pdu: None).run())
        await asyncio.wait_for(reached.wait(), 20)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    asyncio.run(work())


def test_digits_that_are_no_numbers_end_nothing(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim.core, "_csq", lambda _part: (None, ["+CSQ: \xb21,0"]))

    async def work(modem: Modem, heard: list[str]) -> tuple[Result, int | None]:
        return await sending_of()(modem, heard), modem.status.signal_dbm

    result, signal_dbm = with_modem(sim, work)

    assert (result.outcome, signal_dbm) == (Outcome.SENT, None)


def test_what_nobody_thought_of_is_a_reason_for_the_next_rung(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered, seen = Session.registered, list[str]()

    async def odd(session: Session) -> bool:
        if len(seen) < 2:
            seen.append(session.status.trouble)
            raise KeyError("odd")
        return await registered(session)

    monkeypatch.setattr(Session, "registered", odd)

    assert with_modem(sim, sending_of()).outcome is Outcome.SENT
    assert seen == ["", "KeyError: 'odd'"]


def test_a_sim_that_is_slower_than_a_rung_gets_ready(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    started_at = [time.monotonic()]
    reset = sim.core.reset

    def started(*, silent: bool = False) -> None:
        started_at[0] = time.monotonic()
        reset(silent=silent)

    def state(_part: str) -> tuple[str | None, list[str]]:
        for_s = time.monotonic() - started_at[0]
        if for_s < 3:
            return "CME 10", []
        return None, ["+CPIN: NOT READY" if for_s < 5 else "+CPIN: READY"]

    monkeypatch.setattr(sim.core, "reset", started)
    monkeypatch.setattr(sim.core, "_cpin", state)

    async def work(modem: Modem, heard: list[str]) -> Result:
        await eventually(lambda: modem.status.state is State.RESTING)
        sim.reset(silent=True)
        return await sending_of()(modem, heard)

    assert with_modem(sim, work).outcome is Outcome.SENT


def test_between_two_resets_it_only_asks(sim: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sim.core, "_cpin", lambda _part: (None, ["+CPIN: NOT READY"]))
    monkeypatch.setattr("edge.sim800.unlock.SIM_READY_S", 0.2)
    monkeypatch.setattr(supervisor, "BOOT_S", 0.1)

    async def work(modem: Modem, _heard: list[str]) -> str:
        await eventually(lambda: list(sim.core.commands).count("AT+CFUN=1,1") == 3)
        return modem.status.trouble

    assert with_modem(sim, work) == "the SIM cannot be used: NOT READY"
    told = "".join("r" if each == "AT+CFUN=1,1" else "." if each == "AT+CPIN?" else ""
                   for each in sim.core.commands)  # fmt: skip
    assert "r..r..r" in told
