"""A part of a text in the hands of a modem that refuses it, or does not say what became of it."""

import asyncio
import time

import pytest

from app.sim800 import Simulator
from edge.sim800 import sending
from edge.sim800.modem import Modem, Outcome, Result, State
from tests.edge.sim800.running import Written, eventually, sending_of, with_modem


def refusing_once(sim: Simulator, monkeypatch: pytest.MonkeyPatch, *errors: str) -> None:
    """Let the next texts be refused before their prompt."""
    real, left = sim.core._cmgs, list(errors)

    def cmgs(part: str) -> tuple[str | None, list[str]]:
        return (left.pop(0), []) if left else real(part)

    monkeypatch.setattr(sim.core, "_cmgs", cmgs)


def test_an_ok_without_a_reference_leaves_it_open(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim.core, "_send", lambda _pdu, _length: sim.core.say(0.0, "OK"))

    async def work(modem: Modem, heard: list[str]) -> Result:
        result = await sending_of()(modem, heard)
        await eventually(lambda: modem.status.resets == 1)
        return result

    assert with_modem(sim, work) == Result(Outcome.UNKNOWN, reason="OK without a reference")


def test_a_modem_that_starts_anew_between_two_tries_is_given_nothing(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SOON_S", 0.9)
    sim.core.errors.extend(["CMS 41"] * 3)

    async def work(modem: Modem, heard: list[str]) -> Result:
        await modem.ready()
        asyncio.get_running_loop().call_later(0.2, sim.reset)
        return await sending_of()(modem, heard)

    result = with_modem(sim, work)

    assert (result.outcome, result.reason, sim.core.given) == (
        Outcome.NOT_SENT,
        "it is not ready",
        1,
    )


@pytest.mark.parametrize(
    ("errors", "outcome", "emptied"),
    [(["CMS 322"], "sent", 1), (["CME 20"], "sent", 1), (["CMS 531"] * 2, "not_sent", 2)],
)
def test_a_full_memory_is_emptied_and_the_text_tried_once_more(
    sim: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    errors: list[str],
    outcome: str,
    emptied: int,
) -> None:
    refusing_once(sim, monkeypatch, *errors)
    written = Written()

    result = with_modem(sim, sending_of(written=written))

    assert (result.outcome.value, written.parts) == (outcome, int(outcome == "sent"))
    assert list(sim.core.commands).count("AT+CMGD=1,2") == emptied


def test_refusals_before_the_prompt_ask_for_the_balance_too(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing_once(sim, monkeypatch, "CMS 38", "CMS 38")

    async def work(modem: Modem, heard: list[str]) -> str | None:
        await sending_of()(modem, heard)
        await sending_of()(modem, heard)
        return modem.status.balance

    assert with_modem(sim, work, balance="*100#") == "Balance 12.34"


def test_unplugged_while_it_waits_for_the_balance_nothing_is_held_up(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    sim.core.credit = False
    monkeypatch.setattr(sim.core, "_cusd", lambda _part: (None, []))

    async def work(modem: Modem, heard: list[str]) -> float:
        await sending_of()(modem, heard)
        asyncio.get_running_loop().call_later(0.5, sim.unplug)
        began_s = time.monotonic()
        await sending_of()(modem, heard)
        took_s = time.monotonic() - began_s
        await eventually(lambda: modem.status.state is State.ABSENT)
        return took_s

    assert with_modem(sim, work, balance="*100#") < 5
