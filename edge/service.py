"""The device's program: tail, stamp and spool in one loop, ship beside it."""

import asyncio
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from time import monotonic
from typing import Protocol

import msgspec
import structlog

from edge.config import Config, ConfigError
from edge.pump import Pump
from edge.spool import Spool
from edge.stamp import Stamper
from edge.tail import Tail
from schemas import topics

LOOK_EVERY_S = 0.25
FLUSH_WITHIN_S = 5.0
PATIENCE_S = 60.0

log = structlog.get_logger()

Progress = Callable[[str, int, int], None]


class Clock:
    """The machine's clocks; tests have their own."""

    def now(self) -> datetime:
        """Return the wall clock's time, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds of a clock that never steps."""
        return monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``."""
        await asyncio.sleep(seconds)


class Shipping(Protocol):
    """What ships a spool: ``edge.ship.Shipper``."""

    shipped: int
    trouble: str
    wake: asyncio.Event

    async def run(self) -> None:
        """Ship for ever."""


class Once(msgspec.Struct, frozen=True):
    """Read the logs to their ends, close both streams, ship, and end.

    until: where the streams are closed; None is the latest instant of the logs.
    """

    until: datetime | None = None


class Summary(msgspec.Struct, frozen=True):
    """What one run did.

    lines: read, malformed ones included. spooled: records, by topic. shipped: rows acknowledged.
    waiting: rows still in the spool. unfinished: bytes after the last whole line, by log.
    closed_at: where the streams were closed. complete: whether nothing is left to do.
    trouble: what kept rows from being shipped, or empty.
    """

    device: str
    lines: int
    malformed: int
    spooled: dict[str, int]
    shipped: int
    waiting: int
    unfinished: dict[str, int]
    closed_at: datetime | None
    seconds: float
    complete: bool
    trouble: str


class Edge:
    """One run. stop: when set, it finishes its transaction, tries to flush, and ends."""

    def __init__(self, config: Config, spool: Spool, shipping: Shipping, clock: Clock) -> None:
        run = secrets.token_hex(4)
        settle_s = config.settle.total_seconds()
        tail = Tail(config.logs, spool.positions, config.zone, settle_s)
        stamper = Stamper(config.device, run, spool.state)
        self.stop = asyncio.Event()
        self.progress: Progress = lambda _what, _done, _total: None
        self._config = config
        self._spool = spool
        self._shipping = shipping
        self._clock = clock
        self._pump = Pump(config.device, tail, stamper, spool)
        self._closed_at: datetime | None = None
        self._started_s = clock.monotonic()

    async def follow(self) -> Summary:
        """Follow the logs until told to stop."""
        async with asyncio.TaskGroup() as tasks:
            shipping = tasks.create_task(self._shipping.run())
            while not self.stop.is_set():
                horizon = self._clock.now() - self._config.settle
                behind = self._pump.step(self._clock.monotonic(), horizon, self._config.tick)
                self._wake()
                await self._clock.sleep(0 if behind else LOOK_EVERY_S)
            await self._flush(FLUSH_WITHIN_S, until_stopped=False)
            shipping.cancel()
        return self._summary(complete=True)

    async def once(self, until: datetime | None, patience_s: float) -> Summary:
        """Read the logs to where they end now, close the streams, ship everything."""
        async with asyncio.TaskGroup() as tasks:
            shipping = tasks.create_task(self._shipping.run())
            self._pump.tail.look(self._clock.monotonic())
            while (more := self._pump.drain()) and not self.stop.is_set():
                self.progress("reading", *self._pump.tail.progress)
                self._wake()
                await self._clock.sleep(0)
            if not more:
                self._closed_at = self._pump.close(until)
            self._wake()
            await self._flush(patience_s, until_stopped=True)
            shipping.cancel()
        return self._summary(complete=not more and not self._spool.waiting)

    async def _flush(self, patience_s: float, *, until_stopped: bool) -> None:
        """Wait until all is shipped, or nothing moved for ``patience_s``."""
        shipped, moved_s = self._shipping.shipped, self._clock.monotonic()
        total = shipped + self._spool.waiting
        while self._spool.waiting and not (until_stopped and self.stop.is_set()):
            now_s = self._clock.monotonic()
            if self._shipping.shipped > shipped:
                shipped = self._shipping.shipped
                moved_s = now_s if until_stopped else moved_s
            if now_s - moved_s >= patience_s:
                break
            self.progress("shipping", shipped, total)
            await self._clock.sleep(0.02)

    def _wake(self) -> None:
        if self._spool.waiting:
            self._shipping.wake.set()

    def _summary(self, *, complete: bool) -> Summary:
        return Summary(
            device=self._config.device,
            lines=self._pump.lines,
            malformed=self._pump.spooled[topics.MALFORMED],
            spooled=dict(sorted(self._pump.spooled.items())),
            shipped=self._shipping.shipped,
            waiting=self._spool.waiting,
            unfinished=self._pump.tail.unfinished,
            closed_at=self._closed_at,
            seconds=round(self._clock.monotonic() - self._started_s, 3),
            complete=complete,
            trouble=self._shipping.trouble,
        )


async def run(
    config: Config,
    once: Once | None = None,
    *,
    clock: Clock | None = None,
    shipping: Callable[[Spool], Shipping] | None = None,
    progress: Progress | None = None,
    patience_s: float = PATIENCE_S,
) -> Summary:
    """Run the edge until SIGTERM or SIGINT, or once through the logs; return what it did.

    patience_s: once gives up when nothing was acknowledged for so long; the rows stay spooled.

    Raises:
        ConfigError: the folder of the logs is missing.
        SpoolError: the spool is in use, another device's, or cannot be written.
    """
    if not config.logs.is_dir():
        raise ConfigError(f"logs: there is no folder {config.logs}; make it, or name another")
    with Spool(config.spool, config.device) as spool:
        edge = Edge(config, spool, (shipping or _kafka(config))(spool), clock or Clock())
        edge.progress = progress or edge.progress
        log.info("edge_started", device=config.device, waiting=spool.waiting)
        try:
            with _signals(edge.stop):
                if once is not None:
                    return await edge.once(once.until, patience_s)
                return await edge.follow()
        except BaseExceptionGroup as group:  # of the task that ships, or of the loop beside it
            raise group.exceptions[0] from None


def _kafka(config: Config) -> Callable[[Spool], Shipping]:
    from edge.ship import Shipper  # noqa: PLC0415 - reading the logs needs no Kafka client

    return lambda spool: Shipper(spool, config.brokers)


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    with suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
        for number in numbers:
            loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
