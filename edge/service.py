"""The device's program: once through the logs, or for ever beside them."""

import asyncio
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from datetime import datetime
from typing import Protocol

import msgspec
import structlog

from edge.clock import Clock
from edge.config import Config, ConfigError
from edge.ledger import Ledger
from edge.pump import Pump
from edge.spool import Spool
from edge.tail import Tail
from schemas import topics

FLUSH_WITHIN_S = 5.0
PATIENCE_S = 60.0

log = structlog.get_logger()

Progress = Callable[[str, int, int], None]


class Shipping(Protocol):
    """What ships a spool: ``edge.ship.Shipper``."""

    shipped: int
    trouble: str
    acknowledged: Callable[[], None]
    failed: Callable[[], None]

    async def run(self) -> None:
        """Ship for ever."""

    def wake(self) -> None:
        """Take note that there may be new rows."""

    def withdrawn(self) -> AbstractAsyncContextManager[None]:
        """Hand nothing over within the block."""


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
    """One run. stop: when set, it finishes its transaction, tries to flush, and ends.

    woken: set it when there may be something to do.
    """

    def __init__(self, config: Config, ledger: Ledger, shipping: Shipping, clock: Clock) -> None:
        settle_s = config.settle.total_seconds()
        tail = Tail(config.logs, ledger.spool.positions, config.zone, settle_s)
        self.stop, self.woken = asyncio.Event(), asyncio.Event()
        self.progress: Progress = lambda _what, _done, _total: None
        self.pump = Pump(tail, ledger, config.tick, config.rules)
        self.config = config
        self.spool = ledger.spool
        self.ledger = ledger
        self.shipping = shipping
        self.clock = clock
        self._closed_at: datetime | None = None
        self._started_s = clock.monotonic()

    def end(self) -> None:
        """Make it end."""
        self.stop.set()
        self.woken.set()

    async def once(self, until: datetime | None, patience_s: float) -> Summary:
        """Read the logs to where they end now, close the streams, ship everything."""
        async with asyncio.TaskGroup() as tasks:
            shipping = tasks.create_task(self.shipping.run())
            self.pump.tail.look(self.clock.monotonic())
            reading = self.clock.read()
            latest = reading.wall if reading.synchronised else None  # else nobody knows
            while (more := self.pump.drain(latest)) and not self.stop.is_set():
                self.progress("reading", *self.pump.tail.progress)
                self.wake_shipper()
                await asyncio.sleep(0)
            if not more:
                self._closed_at = self.pump.close(until)
            self.wake_shipper()
            await self.flush(patience_s, until_stopped=True)
            shipping.cancel()
        return self.summary(complete=not more and not self.spool.waiting)

    async def flush(self, patience_s: float, *, until_stopped: bool) -> None:
        """Wait until all is shipped, or nothing moved for ``patience_s``."""
        shipped, moved_s = self.shipping.shipped, self.clock.monotonic()
        total = shipped + self.spool.waiting
        while self.spool.waiting and not (until_stopped and self.stop.is_set()):
            now_s = self.clock.monotonic()
            if self.shipping.shipped > shipped:
                shipped = self.shipping.shipped
                moved_s = now_s if until_stopped else moved_s
            if now_s - moved_s >= patience_s:
                break
            self.progress("shipping", shipped, total)
            await self.clock.wait(self.stop, 0.02)

    def wake_shipper(self) -> None:
        if self.spool.waiting:
            self.shipping.wake()

    def summary(self, *, complete: bool) -> Summary:
        return Summary(
            device=self.config.device,
            lines=self.pump.lines,
            malformed=self.ledger.spooled[topics.MALFORMED],
            spooled=dict(sorted(self.ledger.spooled.items())),
            shipped=self.shipping.shipped,
            waiting=self.spool.waiting,
            unfinished=self.pump.tail.unfinished,
            closed_at=self._closed_at,
            seconds=round(self.clock.monotonic() - self._started_s, 3),
            complete=complete,
            trouble=self.shipping.trouble,
        )


async def run(
    config: Config,
    once: Once | None = None,
    *,
    clock: Clock | None = None,
    shipping: Callable[[Ledger], Shipping] | None = None,
    progress: Progress | None = None,
    patience_s: float = PATIENCE_S,
) -> Summary:
    """Run the edge until SIGTERM or SIGINT, or once through the logs; return what it did.

    patience_s: once gives up when nothing was acknowledged for so long; the rows stay spooled.

    Raises:
        ConfigError: the folder of the logs is missing.
        SpoolError: the spool is in use, another device's, or cannot be written.
    """
    from edge.follow import follow  # noqa: PLC0415 - it needs what is defined here

    if not config.logs.is_dir():
        raise ConfigError(f"logs: there is no folder {config.logs}; make it, or name another")
    with Spool(config.spool, config.device, config.spool_limit) as spool:
        ledger = Ledger(config.device, secrets.token_hex(4), spool)
        edge = Edge(config, ledger, (shipping or _kafka(config, once))(ledger), clock or Clock())
        edge.progress = progress or edge.progress
        log.info("edge_started", device=config.device, waiting=spool.waiting)
        try:
            with _signals(edge.end):
                if once is not None:
                    return await edge.once(once.until, patience_s)
                return await follow(edge)
        except BaseExceptionGroup as group:  # of the task that ships, or of the loop beside it
            raise _first(group) from None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


def _kafka(config: Config, once: Once | None) -> Callable[[Ledger], Shipping]:
    from edge.producer import secured  # noqa: PLC0415 - reading the logs needs no Kafka client
    from edge.ship import HURRIED, STEADY, Shipper  # noqa: PLC0415

    pace = STEADY if once is None else HURRIED
    return lambda ledger: Shipper(ledger, config.brokers, secured(config.security), pace)


@contextmanager
def _signals(end: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    with suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread
        for number in numbers:
            loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
