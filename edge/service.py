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
from edge.ledger import Ledger
from edge.pump import Pump
from edge.spool import Spool, SpoolError
from edge.tail import Tail
from schemas import topics

LOOK_EVERY_S = 0.25
RETRY_S = 1.0  # when the spool could not be written
COMPLAIN_EVERY_S = 60.0
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

    async def run(self) -> None:
        """Ship for ever."""

    def wake(self) -> None:
        """Take note that there may be new rows."""


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

    def __init__(self, config: Config, ledger: Ledger, shipping: Shipping, clock: Clock) -> None:
        spool = ledger.spool
        settle_s = config.settle.total_seconds()
        tail = Tail(config.logs, spool.positions, config.zone, settle_s)
        self.stop = asyncio.Event()
        self.progress: Progress = lambda _what, _done, _total: None
        self._config = config
        self._spool = spool
        self._ledger = ledger
        self._shipping = shipping
        self._clock = clock
        self._pump = Pump(tail, ledger, config.tick)
        self._closed_at: datetime | None = None
        self._complained_s = -COMPLAIN_EVERY_S
        self._started_s = clock.monotonic()

    async def follow(self) -> Summary:
        """Follow the logs until told to stop."""
        async with asyncio.TaskGroup() as tasks:
            shipping = tasks.create_task(self._shipping.run())
            self._follow_rules()
            while not self.stop.is_set():
                await self._clock.sleep(self._step())
            await self._flush(FLUSH_WITHIN_S, until_stopped=False)
            shipping.cancel()
        return self._summary(complete=True)

    async def once(self, until: datetime | None, patience_s: float) -> Summary:
        """Read the logs to where they end now, close the streams, ship everything."""
        async with asyncio.TaskGroup() as tasks:
            shipping = tasks.create_task(self._shipping.run())
            self._follow_rules()
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

    def _step(self) -> float:
        """Do what is to be done now; return after how many seconds there may be more."""
        horizon = self._clock.now() - self._config.settle
        try:
            behind = self._pump.step(self._clock.monotonic(), horizon)
        except SpoolError as error:
            self._complain(error)
            return RETRY_S
        self._complained_s = -COMPLAIN_EVERY_S
        self._wake()
        return 0 if behind else LOOK_EVERY_S

    def _complain(self, error: SpoolError) -> None:
        if self._clock.monotonic() - self._complained_s >= COMPLAIN_EVERY_S:
            self._complained_s = self._clock.monotonic()
            log.error("spool_failed", reason=str(error))

    def _follow_rules(self) -> None:
        """Tell the servers what the device decides by itself."""
        at = self._spool.state.reached or self._clock.now() - self._config.settle
        self._ledger.follow(self._config.rules, at)

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
            self._shipping.wake()

    def _summary(self, *, complete: bool) -> Summary:
        return Summary(
            device=self._config.device,
            lines=self._pump.lines,
            malformed=self._ledger.spooled[topics.MALFORMED],
            spooled=dict(sorted(self._ledger.spooled.items())),
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
    if not config.logs.is_dir():
        raise ConfigError(f"logs: there is no folder {config.logs}; make it, or name another")
    with Spool(config.spool, config.device, config.spool_limit) as spool:
        ledger = Ledger(config.device, secrets.token_hex(4), spool)
        edge = Edge(config, ledger, (shipping or _kafka(config))(ledger), clock or Clock())
        edge.progress = progress or edge.progress
        log.info("edge_started", device=config.device, waiting=spool.waiting)
        try:
            with _signals(edge.stop):
                if once is not None:
                    return await edge.once(once.until, patience_s)
                return await edge.follow()
        except BaseExceptionGroup as group:  # of the task that ships, or of the loop beside it
            raise group.exceptions[0] from None


def _kafka(config: Config) -> Callable[[Ledger], Shipping]:
    from edge.ship import Shipper  # noqa: PLC0415 - reading the logs needs no Kafka client

    return lambda ledger: Shipper(ledger, config.brokers)


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
