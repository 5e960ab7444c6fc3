"""Commands and answers: each command gets its own, whatever became of the one before."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.sim800 import Simulator
from edge.sim800.dialogue import Dialogue, FailedError
from edge.sim800.pdu import submit
from tests.edge.sim800.running import NUMBER, texts

PART = submit(NUMBER, "hello", 1, report=False)[0]
Work = Callable[[Dialogue], Awaitable[Any]]


def in_dialogue(sim: Simulator, work: Work) -> Any:
    async def running() -> Any:
        dialogue = Dialogue(str(sim.path), 115_200, lambda _told: None)
        try:
            await dialogue.wake()
            await dialogue.ask("ATE0V1Q0")
            await dialogue.ask("AT+CMGF=0")
            return await asyncio.wait_for(work(dialogue), 10)
        finally:
            dialogue.close()

    return asyncio.run(running())


def test_after_a_refusal_before_the_prompt_each_answer_is_its_own(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sim.core, "_cmgs", lambda _part: ("CMS 314", []))

    async def work(dialogue: Dialogue) -> list[str | None]:
        with pytest.raises(FailedError, match="CMS 314"):
            await dialogue.give("AT+CMGS=17", "00", lambda: None, 5)
        signal = (await dialogue.ask("AT+CSQ")).value("+CSQ:")
        return [signal, (await dialogue.ask("AT+CPIN?")).value("+CPIN:")]

    assert in_dialogue(sim, work) == ["17,0", "READY"]


def test_waking_ends_no_text_that_is_being_given(
    sim: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    say = sim.core._say_bytes

    async def work(dialogue: Dialogue) -> str | None:
        monkeypatch.setattr(sim.core, "_say_bytes", lambda s, told: say(s + 0.35, told))
        giving = asyncio.create_task(
            dialogue.give(f"AT+CMGS={PART.length}", PART.pdu, lambda: None, 5)
        )
        waking = asyncio.create_task(dialogue.wake())
        await waking
        return (await giving).value("+CMGS:")

    assert in_dialogue(sim, work) == "1"
    assert texts(sim) == ["hello"]
