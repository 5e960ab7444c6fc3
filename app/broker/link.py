"""A wire on loopback between a device and the broker, that can be cut: for the demo and tests."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

CHUNK = 65_536


class Link:
    """Forwards ``port`` of the loopback to ``to``. cuts: how often it was cut."""

    def __init__(self, port: int, to: int) -> None:
        """Stand ready to forward."""
        self.cuts = 0
        self._port = port
        self._to = to
        self._server: asyncio.Server | None = None
        self._whole = asyncio.Event()
        self._whole.set()
        self._wires: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Forward."""
        self._server = await asyncio.start_server(self._joined, "127.0.0.1", self._port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Forward no more."""
        self._drop()
        if self._server is not None:
            self._server.close()

    def cut(self, *, silently: bool = False) -> None:
        """Let nothing through any more. ``silently``: nobody is told, as when a mast goes dark."""
        self.cuts += 1
        self._whole.clear()
        if not silently:
            self._drop()

    def mend(self) -> None:
        """Let everything through again; what was connected while it was cut has to begin anew."""
        self._drop()
        self._whole.set()

    def _drop(self) -> None:
        for wire in self._wires:
            wire.cancel()

    async def _joined(self, near: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        wire = asyncio.current_task()
        assert wire is not None  # noqa: S101 - the server runs each in a task of its own
        self._wires.add(wire)
        opened = [answer]
        try:
            if not self._whole.is_set():
                return
            far, there = await asyncio.open_connection("127.0.0.1", self._to)
            opened.append(there)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._carry(near, there))
                tasks.create_task(self._carry(far, answer))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass  # it is cut, or one of them has gone
        finally:
            self._wires.discard(wire)
            for each in opened:
                with suppress(OSError):
                    each.transport.abort()

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(CHUNK):
            await self._whole.wait()
            sink.write(data)
            await sink.drain()
        raise OSError("it has ended")
