"""A wire that can be cut, on a thread of its own: tests and programs go on meanwhile."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.broker.link import Link
from app.broker.outside import Outside
from app.broker.ports import free_port


class Wire:
    """outside: what a broker needs to be reached by it. address: what a device needs."""

    def __init__(self) -> None:
        inner = free_port()
        self.outside = Outside(inner, free_port(inner))
        self.address = f"127.0.0.1:{self.outside.reached_by}"
        self._link = Link(self.outside.reached_by, inner)
        self._loop = asyncio.new_event_loop()
        self._ending = asyncio.Event()
        self._up = threading.Event()

    @property
    def cuts(self) -> int:
        return self._link.cuts

    def cut(self, *, silently: bool = False) -> None:
        self._loop.call_soon_threadsafe(lambda: self._link.cut(silently=silently))

    def mend(self) -> None:
        self._loop.call_soon_threadsafe(self._link.mend)

    def run(self) -> None:
        self._loop.run_until_complete(self._forward())
        self._loop.close()

    def up(self) -> None:
        self._up.wait()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)

    async def _forward(self) -> None:
        async with self._link:
            self._up.set()
            await self._ending.wait()


@contextmanager
def wire() -> Iterator[Wire]:
    made = Wire()
    thread = threading.Thread(target=made.run)
    thread.start()
    made.up()
    try:
        yield made
    finally:
        made.end()
        thread.join()
