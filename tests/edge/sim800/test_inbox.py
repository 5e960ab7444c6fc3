"""Texts that come: each is heard once, and none of them is trouble of the modem."""

import asyncio
from typing import Any

import pytest

from app.sim800 import Simulator
from app.sim800.wire import deliver
from edge.sim800.modem import Modem, Outcome, Result, Settings, State
from tests.edge.sim800.running import NUMBER, eventually, sending_of, with_modem

LOOK = "AT+CSQ;+CREG?"


@pytest.mark.parametrize("refused", ["_cmgd", "_cmgr", "_cmgl"])
def test_a_text_that_stays_in_the_sim_stops_nothing(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    sim.receive(NUMBER, "STATUS")
    monkeypatch.setattr(sim.core, refused, lambda _part: ("CMS 320", []))

    async def work(modem: Modem, heard: list[str]) -> tuple[Result, int, int]:
        await modem.ready()
        sim.reset()
        await eventually(lambda: modem.status.resets == 1)
        await modem.ready()
        looks = list(sim.core.commands).count(LOOK) + 2
        await eventually(lambda: list(sim.core.commands).count(LOOK) == looks)
        return await sending_of()(modem, heard), len(heard), modem.status.resets

    result, heard, resets = with_modem(sim, work)

    assert (result.outcome, heard, resets) == (Outcome.SENT, int(refused == "_cmgd"), 1)
    assert not [each for each in sim.core.commands if "CFUN" in each]


def test_another_text_in_the_same_place_is_heard(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim.receive(NUMBER, "one")
    monkeypatch.setattr(sim.core, "_cmgd", lambda _part: ("CMS 320", []))

    async def work(modem: Modem, heard: list[str]) -> list[str]:
        await eventually(lambda: len(heard) == 1)
        sim.core._stored.clear()
        sim.receive(NUMBER, "two")
        await eventually(lambda: len(heard) == 2)
        return heard

    one, two = with_modem(sim, work)

    assert (one[-12:], two[-12:]) == (
        deliver(NUMBER, "one")[0][-12:],
        deliver(NUMBER, "two")[0][-12:],
    )


def test_a_text_that_comes_while_it_starts_is_fetched_once(sim: Simulator) -> None:
    sim.core.strength = 0

    async def work(modem: Modem, heard: list[str]) -> int:
        await eventually(lambda: modem.status.state is State.SEARCHING)
        sim.core.strength = 17
        sim.receive(NUMBER, "STATUS")
        await modem.ready()
        await eventually(lambda: "AT+CMGD=1" in sim.core.commands)
        return len(heard)

    assert with_modem(sim, work) == 1
    assert list(sim.core.commands).count("AT+CMGR=1") == 1


def test_texts_are_stored_where_they_are_looked_for(sim: Simulator) -> None:
    with_modem(sim, sending_of())

    assert 'AT+CPMS="SM","SM","SM"' in sim.core.commands


def test_what_goes_wrong_with_a_text_is_no_trouble_of_the_modem(sim: Simulator) -> None:
    sim.receive(NUMBER, "STATUS")

    async def work() -> Any:
        said = list[str]()
        asyncio.get_running_loop().set_exception_handler(
            lambda _loop, context: said.append(str(context["exception"]))
        )

        def refuse(_pdu: str) -> None:
            raise RuntimeError("not understood")

        modem = Modem(Settings(port=str(sim.path)), refuse)
        keeping = asyncio.create_task(modem.run())
        await modem.ready()
        await eventually(lambda: "AT+CMGD=1" in sim.core.commands)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        return said, modem.status.resets

    assert asyncio.run(work()) == (["not understood"], 0)
