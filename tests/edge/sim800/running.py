"""A modem that is kept ready, and what tests do with it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from app.sim800 import Simulator
from edge.sim800.modem import Modem, Result, Settings
from edge.sim800.pdu import submit

NUMBER = "+380441234567"
WITHIN_S = 20.0


class Written:
    """Counts what was given to the modem; at one part something may happen."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.parts = 0
        self._then = then

    def __call__(self) -> None:
        self._then()
        self.parts += 1


def with_modem(
    sim: Simulator, work: Callable[[Modem, list[str]], Awaitable[Any]], **settings: Any
) -> Any:
    """Return what ``work`` returns with a modem that is being kept ready, and what it heard."""

    async def running() -> Any:
        heard: list[str] = []
        modem = Modem(Settings(port=str(sim.path), **settings), heard.append)
        keeping = asyncio.create_task(modem.run())
        try:
            async with asyncio.timeout(WITHIN_S):
                return await work(modem, heard)
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    return asyncio.run(running())


def sending_of(
    text: str = "hello", written: Written | None = None
) -> Callable[[Modem, list[str]], Awaitable[Result]]:
    async def work(modem: Modem, _heard: list[str]) -> Result:
        await modem.ready()
        return await modem.send(submit(NUMBER, text, 9, report=True), written or Written())

    return work


def texts(sim: Simulator) -> list[str]:
    return [each.text.text for each in sim.sent]


async def eventually(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.01)
