"""The modem's supervisor and a simulated SIM800 on a pty: what is sent, and what goes wrong."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from app.sim800 import Simulator
from edge.sim800.modem import Modem, Outcome, Result, Settings, State
from edge.sim800.pdu import submit
from edge.sim800.received import Deliver, StatusReport, decode
from tests.edge.sim800.running import NUMBER, Written, eventually, sending_of, texts, with_modem


def test_a_text_of_three_parts_is_sent(sim: Simulator) -> None:
    text, written = "światło i " * 18, Written()
    result = with_modem(sim, sending_of(text, written))

    assert (result.outcome, result.references, written.parts) == (Outcome.SENT, (1, 2, 3), 3)
    assert "".join(texts(sim)) == text
    assert {each.text.number for each in sim.sent} == {NUMBER}


def test_the_report_of_a_text_is_heard(sim: Simulator) -> None:
    async def work(modem: Modem, heard: list[str]) -> str:
        await sending_of()(modem, heard)
        await eventually(lambda: bool(heard))
        return heard[0]

    report = decode(with_modem(sim, work))

    assert isinstance(report, StatusReport)
    assert (report.reference, report.recipient, report.outcome.value) == (1, NUMBER, "delivered")


def test_texts_that_come_are_heard_also_those_from_before(sim: Simulator) -> None:
    sim.receive("+15550100", "STATUS")

    async def work(modem: Modem, heard: list[str]) -> list[str]:
        await modem.ready()
        sim.receive("+15550101", "ACK 1")
        await eventually(lambda: len(heard) == 2)
        await eventually(
            lambda: "AT+CMGD=2" in sim.core.commands or "AT+CMGD=1" in sim.core.commands
        )
        return heard

    heard = [decode(each) for each in with_modem(sim, work)]

    assert [(each.sender, each.text) for each in heard if isinstance(each, Deliver)] == [
        ("+15550100", "STATUS"),
        ("+15550101", "ACK 1"),
    ]


@pytest.mark.parametrize(
    ("errors", "outcome", "given"),
    [
        (["CMS 41"], Outcome.SENT, 2),
        (["CMS 41"] * 3, Outcome.NOT_SENT, 3),
        (["CMS 38"], Outcome.NOT_SENT, 1),
        (["CMS 500"], Outcome.UNKNOWN, 1),
        (["CMS 28"], Outcome.FAILED, 1),
        (["CMS 310"], Outcome.NOT_SENT, 1),
        (["CMS 197"], Outcome.SENT, 1),
        (["CMS 322"], Outcome.SENT, 2),
        (["CMS 302"], Outcome.NOT_SENT, 1),
        (["CMS 604"], Outcome.UNKNOWN, 1),
    ],
)
def test_each_error_has_its_outcome(
    sim: Simulator, errors: list[str], outcome: Outcome, given: int
) -> None:
    sim.core.errors.extend(errors)
    sim.core.stray_prompts = True
    result = with_modem(sim, sending_of())

    assert (result.outcome, sim.core.given) == (outcome, given)
    assert result.route_down == (errors == ["CMS 310"])
    assert bool(result.retry_in_s) == (outcome is Outcome.NOT_SENT)


def test_half_a_text_may_have_been_sent(sim: Simulator) -> None:
    sim.core.errors.append("CMS 28")
    sim.core.errors.appendleft("CMS 197")
    result = with_modem(sim, sending_of("x" * 200))

    assert (result.outcome, result.reason) == (
        Outcome.UNKNOWN,
        "1 of 2 parts were sent, then CMS 28",
    )


def test_silence_after_a_text_leaves_it_open_and_the_next_is_sent(sim: Simulator) -> None:
    sim.core.silent = 1

    async def work(modem: Modem, heard: list[str]) -> tuple[Result, Result]:
        first = await sending_of("one")(modem, heard)
        await eventually(lambda: modem.status.state is not State.READY)
        return first, await sending_of("two")(modem, heard)

    first, second = with_modem(sim, work)

    assert (first.outcome, second.outcome) == (Outcome.UNKNOWN, Outcome.SENT)


def test_unplugged_idle_it_is_ready_again(sim: Simulator) -> None:
    async def work(modem: Modem, heard: list[str]) -> Result:
        await modem.ready()
        sim.unplug()
        await eventually(lambda: modem.status.state is State.ABSENT)
        sim.plug()
        return await sending_of()(modem, heard)

    assert with_modem(sim, work).outcome is Outcome.SENT


@pytest.mark.parametrize(("after", "outcome"), [(True, "unknown"), (False, "not_sent")])
def test_unplugged_while_sending(sim: Simulator, after: bool, outcome: str) -> None:
    sim.core.latency_s = 1.0

    async def work(modem: Modem, _heard: list[str]) -> Result:
        await modem.ready()
        if after:
            asyncio.get_running_loop().call_later(0.3, sim.unplug)
        else:
            sim.unplug()
        return await modem.send(submit(NUMBER, "hello", 9, report=False), Written())

    assert with_modem(sim, work).outcome.value == outcome


def test_a_module_that_starts_anew_while_sending_leaves_it_open(sim: Simulator) -> None:
    sim.core.latency_s = 1.5

    async def work(modem: Modem, _heard: list[str]) -> Result:
        await modem.ready()
        asyncio.get_running_loop().call_later(0.2, sim.reset)
        result = await modem.send(submit(NUMBER, "hello", 9, report=False), Written())
        await eventually(lambda: modem.status.resets == 1)
        return result

    assert with_modem(sim, work).outcome is Outcome.UNKNOWN


def test_what_cannot_be_noted_is_not_sent(sim: Simulator) -> None:
    def refuse() -> None:
        raise RuntimeError("the disk is full")

    async def work(modem: Modem, heard: list[str]) -> Result:
        with pytest.raises(RuntimeError, match="the disk is full"):
            await sending_of("one", Written(refuse))(modem, heard)
        return await sending_of("two")(modem, heard)

    assert with_modem(sim, work).outcome is Outcome.SENT
    assert texts(sim) == ["two"]


def test_the_pin_is_given_once(sim: Simulator) -> None:
    sim.core.pin = "1234"
    sim.core.reset(silent=True)

    assert with_modem(sim, sending_of(), pin="1234").outcome is Outcome.SENT


@pytest.mark.parametrize(
    ("pin", "tries", "left", "trouble"),
    [
        ("9999", 3, 2, "refuses the PIN"),
        ("1234", 1, 1, "one try for its PIN left"),
        (None, 3, 3, "set modem.pin"),
    ],
)
def test_a_wrong_pin_is_never_given_twice(
    sim: Simulator, pin: str | None, tries: int, left: int, trouble: str
) -> None:
    sim.core.pin = "1234"
    sim.core.reset(silent=True)
    sim.core.tries = tries

    async def work(modem: Modem, _heard: list[str]) -> str:
        seen = ""
        for _ in range(3):
            await eventually(lambda: modem.status.state is State.RESTING)
            seen = seen or modem.status.trouble
            await eventually(lambda: modem.status.state is not State.RESTING)
        return seen

    assert trouble in with_modem(sim, work, pin=pin)
    assert sim.core.tries == left


def test_without_a_network_it_goes_up_the_ladder_and_comes_back(sim: Simulator) -> None:
    sim.core.strength = 0

    async def work(modem: Modem, heard: list[str]) -> Result:
        await eventually(lambda: "AT+CFUN=1,1" in sim.core.commands)
        assert modem.status.trouble == "no network"
        sim.core.strength = 20
        return await sending_of()(modem, heard)

    assert with_modem(sim, work).outcome is Outcome.SENT
    ladder = [each for each in sim.core.commands if each.startswith("AT+CFUN")]
    assert ladder[:3] == ["AT+CFUN=0", "AT+CFUN=1", "AT+CFUN=1,1"]


def test_two_refusals_that_may_mean_no_credit_ask_for_the_balance(sim: Simulator) -> None:
    sim.core.credit = False

    async def work(modem: Modem, heard: list[str]) -> str | None:
        await sending_of()(modem, heard)
        await sending_of()(modem, heard)
        return modem.status.balance

    assert with_modem(sim, work, balance="*100#") == "Balance 0.00"


def test_the_network_knows_the_time(sim: Simulator) -> None:
    async def work(modem: Modem, _heard: list[str]) -> Any:
        await modem.ready()
        return await modem.network_time()

    assert with_modem(sim, work).year >= 2026


def test_a_modem_that_is_not_there_is_looked_for(tmp_path: Path) -> None:
    async def work() -> State:
        modem = Modem(Settings(port=str(tmp_path / "none")), lambda _pdu: None)
        keeping = asyncio.create_task(modem.run())
        await eventually(lambda: bool(modem.status.trouble))
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        return modem.status.state

    assert asyncio.run(work()) is State.ABSENT
