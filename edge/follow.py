"""The edge beside its logs, for ever: one loop that steps, and what runs beside it."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from edge import control, systemd, texting
from edge.clock import Carried, Step, StreamClock
from edge.commands import Commands
from edge.decider import DECIDED
from edge.internet import Probe, parse_target
from edge.notice import Notice
from edge.offline import Offline
from edge.service import FLUSH_WITHIN_S, Edge, Summary
from edge.sim800.modem import Modem
from edge.spool import CorruptError, SpoolError
from edge.status import EdgeStatus, Pending
from schemas import topics

RETRY_S = 1.0  # when the spool could not be written
COMPLAIN_EVERY_S = 60.0
LONGEST_S = 60.0  # without a look at the clock: half of what the watchdog allows
CLOCK = "stream_clock"  # under which name the spool keeps how the clock stood

log = structlog.get_logger()


async def follow(edge: Edge) -> Summary:
    """Follow the logs of ``edge`` until it is told to stop."""
    following = Following(edge)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        beside = [tasks.create_task(each) for each in following.beside()]
        await stack.enter_async_context(control.answering(edge.config.spool, following.answer))
        with Notice(edge.config.logs, edge.woken.set) as notice:
            await following.steps(notice)
        await edge.flush(FLUSH_WITHIN_S, until_stopped=False)
        for task in beside:
            task.cancel()
    return edge.summary(complete=True)


class Following:
    """What one run is made of."""

    def __init__(self, edge: Edge) -> None:
        """Put it together as the configuration of ``edge`` says."""
        self._edge = edge
        self._config = config = edge.config
        kept = edge.spool.kept(CLOCK)
        with edge.spool.understood():
            before = None if kept is None else msgspec.json.decode(kept, type=Carried)
        self._stream = StreamClock(edge.clock.read(), edge.spool.state.reached, before)
        self._kept_clock: Carried | None = None
        self._complained_s = -COMPLAIN_EVERY_S
        self._online: bool | None = None
        self._caught_up = asyncio.Event()
        targets = [parse_target(each) for each in config.internet.targets]
        self._probe = Probe(targets, config.internet.every.total_seconds(), self._online_is)
        self._last_shipped: datetime | None = None
        self._malformed, self._said_s = 0, -COMPLAIN_EVERY_S
        edge.shipping.acknowledged = self._shipped
        edge.shipping.failed = self._probe.failed
        self._modem = self._made_modem()
        self._offline = Offline(
            edge.ledger, edge.shipping, self._modem, config.numbers, config.handoff, self._reached,
            config.logs,
        )  # fmt: skip
        self._commands = Commands(
            config.numbers,
            self._offline.reply,
            self._offline.acknowledge,
            lambda: self.status().text(),
        )

    def beside(self) -> list[Any]:
        """Return what runs beside the loop, to be started."""
        found = [self._edge.shipping.run(), self._probe.run(), self._offline_run()]
        return found if self._modem is None else [*found, self._modem.run(), self._network_time()]

    async def steps(self, notice: Notice) -> None:
        """Step until told to stop; sleep when there is nothing to do."""
        edge = self._edge
        systemd.tell(systemd.READY)
        while not edge.stop.is_set():
            edge.woken.clear()
            notice.watch()
            wait_s = self._step(notice.every_s)
            systemd.tell(systemd.ALIVE)
            if wait_s > 0:
                await edge.clock.wait(edge.woken, wait_s)
            else:
                await asyncio.sleep(0)
        systemd.tell(systemd.STOPPING)

    def status(self) -> EdgeStatus:
        """Return how it is."""
        edge, ledger = self._edge, self._edge.ledger
        handing, energy = ledger.handing, ledger.decider.entries[topics.PROBES].state.facts.energy
        deadlines = self._offline.deadlines()
        pending = tuple(
            Pending(each.decision.rule, str(each.decision.kind), each.decision.at,
                    deadlines.get(each.decision.id))
            for each in handing.untold
        )  # fmt: skip
        firing = {
            name
            for stream in DECIDED
            for name, alert in ledger.decider.entries[stream].state.alerts.items()
            if alert.firing
        }
        view = edge.spool.state.view
        return EdgeStatus(
            device=self._config.device,
            at=self._now(),
            source=view.source,
            online=view.online,
            waiting=edge.spool.waiting,
            bytes=edge.spool.size,
            shipped=edge.shipping.shipped,
            last_shipped=self._last_shipped,
            trouble=edge.shipping.trouble,
            pending=pending,
            malformed=ledger.spooled[topics.MALFORMED],
            bad=edge.pump.bad,
            texts=sum(text.outcome is None for job in handing.jobs for text in job.texts),
            claims=handing.claims,
            firing=tuple(sorted(firing)),
            soc_pct=None if energy is None else energy.soc_pct,
            modem=None if self._modem is None else self._modem.status,
            ignored_texts=self._commands.ignored,
        )

    async def answer(self, request: dict[str, Any]) -> Any:
        """Answer one of our own commands."""
        if request.get("ask") == "text":
            return await self._offline.test(str(request["number"]), str(request["text"]))
        return msgspec.to_builtins(self.status())

    def _step(self, every_s: float) -> float:
        """Do what is to be done now; return after how many seconds there may be more."""
        edge, now_s = self._edge, self._edge.clock.monotonic()
        try:
            self._look_at_clock()
            horizon = self._now() - self._config.settle
            if self._online is not None:
                edge.pump.online(self._online, horizon)
                self._online = None
            more = edge.pump.step(now_s, horizon)
        except CorruptError:  # only the next start sets it aside, and begins a new one
            raise
        except SpoolError as error:
            self._complain(error, now_s)
            return RETRY_S
        self._complained_s = -COMPLAIN_EVERY_S
        self._say_malformed(now_s)
        edge.wake_shipper()
        if more:
            return 0
        if not edge.pump.tail.behind:
            self._caught_up.set()
        return max(0.001, min(self._waits(now_s, horizon, every_s)))

    def _waits(self, now_s: float, horizon: datetime, every_s: float) -> Iterator[float]:
        """Yield the seconds until each thing that there may be to do next."""
        pump = self._edge.pump
        yield from (LONGEST_S, every_s)
        if (settles_s := pump.tail.settles_at_s) is not None:
            yield settles_s - now_s
        if (due := pump.due(horizon)) is not None:
            yield (due - horizon).total_seconds()

    def _look_at_clock(self) -> None:
        step = self._stream.look(self._edge.clock.read())
        if step is not None:
            self._set_clock(step)
        self._keep_clock()

    def _set_clock(self, step: Step) -> None:
        log.warning("clock_set", was=step.was.isoformat(), now=step.is_.isoformat())
        settle = self._config.settle
        self._edge.pump.clock_set(step.was - settle, step.is_ - settle, step.since)
        self._keep_clock()  # in the same transaction, else it would be told twice

    def _keep_clock(self) -> None:
        if self._stream.state is not self._kept_clock:
            self._kept_clock = self._stream.state
            self._edge.ledger.keep(CLOCK, msgspec.json.encode(self._kept_clock))

    async def _offline_run(self) -> None:
        """Claim and text once the logs are read: nothing is stamped ahead of a line."""
        await self._caught_up.wait()
        await self._offline.run()

    async def _network_time(self) -> None:
        """Take the time from the phone network where there is none better."""
        assert self._modem is not None  # noqa: S101 - only started where there is one
        while self._stream.carried:
            await self._modem.ready()
            time = await self._modem.network_time()
            if time is not None:
                step = self._stream.set(self._edge.clock.read(), time)
                if step is not None:
                    self._set_clock(step)
                    self._edge.woken.set()
            await asyncio.sleep(LONGEST_S)

    def _made_modem(self) -> Modem | None:
        wanted = self._config.modem
        if wanted is None:
            return None
        return Modem(texting.settings(wanted, self._config.spool), self._heard)

    def _heard(self, pdu: str) -> None:
        self._commands.heard(pdu)

    def _shipped(self) -> None:
        self._last_shipped = datetime.now(UTC)
        self._probe.acknowledged()

    def _online_is(self, online: bool) -> None:
        log.info("internet", online=online)
        self._online = online
        self._edge.woken.set()

    def _now(self) -> datetime:
        return self._stream.now(self._edge.clock.read())

    def _reached(self) -> datetime:
        return self._edge.pump.until(self._now() - self._config.settle)

    def _say_malformed(self, now_s: float) -> None:
        count = self._edge.ledger.spooled[topics.MALFORMED]
        if count > self._malformed and now_s - self._said_s >= COMPLAIN_EVERY_S:
            log.warning(
                "line_malformed", newest=self._edge.pump.bad, more=count - self._malformed - 1
            )
            self._malformed, self._said_s = count, now_s

    def _complain(self, error: SpoolError, now_s: float) -> None:
        if now_s - self._complained_s >= COMPLAIN_EVERY_S:
            self._complained_s = now_s
            log.error("spool_failed", reason=str(error))
