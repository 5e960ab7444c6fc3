"""What the servers do not take in time is texted, once; and what people text is answered."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.sim800 import Simulator
from edge import offline as service
from edge.commands import HELP, Commands
from edge.ledger import Ledger
from edge.offline import Offline
from edge.parse import TransitionLine
from edge.sim800 import sending
from edge.sim800.modem import Modem, Settings
from edge.spool import Spool
from schemas import topics
from schemas.events import Source
from tests.events import rule

NUMBER, STRANGER = "+380441234567", "+15550199"
LOST = 'name="lost"\nstream="transitions"\nwhen={field="source",not_equals="grid"}\nfor="1s"\n'
WITHIN_S = 20.0


class Shipping:
    """A shipper that only says how often it was made to stop."""

    def __init__(self) -> None:
        self.withdrawals = 0

    @asynccontextmanager
    async def withdrawn(self) -> AsyncIterator[None]:
        self.withdrawals += 1
        yield


class Home:
    """A device whose grid was lost a moment ago, and a modem; nobody takes anything."""

    def __init__(self, folder: Path, sim: Simulator, more: str = 'severity="warning"') -> None:
        self.folder, self.sim = folder, sim
        self.shipping = Shipping()
        self.commands: Commands
        self._rule = rule(f"{LOST}{more}\nrepeat=false")

    def run(self, work: Callable[["Home"], Awaitable[Any]], handoff_s: float = 0.3) -> Any:
        """Return what ``work`` returns while everything runs; what is spooled stays."""

        async def running() -> Any:
            with Spool(self.folder / "spool", "home") as spool:
                self.ledger = Ledger("home", "r", spool)
                self.modem = Modem(Settings(port=str(self.sim.path)), self._heard)
                self.offline = Offline(
                    self.ledger,
                    self.shipping,
                    self.modem,
                    (NUMBER,),
                    timedelta(seconds=handoff_s),
                    lambda: datetime.now(UTC),
                    self.folder,
                )
                self.commands = Commands(
                    [NUMBER], self.offline.reply, self.offline.acknowledge, lambda: "all is well"
                )
                tasks = [asyncio.create_task(each.run()) for each in (self.modem, self.offline)]
                try:
                    async with asyncio.timeout(WITHIN_S):
                        return await work(self)
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)

        return asyncio.run(running())

    def lose_the_grid(self) -> None:
        now = datetime.now(UTC)
        self.ledger.follow((self._rule,), now - timedelta(seconds=9))
        line = TransitionLine(1, now - timedelta(seconds=5), {}, Source.GRID, Source.INVERTER)
        self.ledger.add(self.ledger.stamper.line(line, line.at))
        self.ledger.add(self.ledger.stamper.tick(topics.TRANSITIONS, now))
        self.ledger.commit()

    def take(self) -> None:
        """Let the servers have everything."""
        rows = self.ledger.spool.read(99, topics.TRANSITIONS)
        last = rows[-1]
        self.ledger.acknowledged(topics.TRANSITIONS, last.id, last.seq, last.seq)

    def records(self, kind: str) -> list[dict[str, Any]]:
        with Spool(self.folder / "spool", "home") as spool:
            values = [msgspec.json.decode(row.value) for row in spool.read(99)]
        return [value for value in values if value["type"] == kind]

    def _heard(self, pdu: str) -> None:
        self.commands.heard(pdu)


@pytest.fixture(name="home")
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(service, "RETRY_S", 0.05)
    monkeypatch.setattr(sending, "SOON_S", 0.05)
    monkeypatch.setattr(sending, "SEND_S", 0.5)
    with Simulator(tmp_path / "modem") as sim:
        yield Home(tmp_path, sim)


async def eventually(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.01)


async def answered(home: Home) -> None:
    """Return when all claims are answered, and that is stored."""
    await eventually(lambda: home.ledger.handing.claims > 0 and not home.ledger.handing.jobs)
    await eventually(lambda: not home.ledger.handing.unlogged)


def test_what_nobody_takes_is_claimed_then_texted_then_answered(home: Home) -> None:
    async def work(home: Home) -> None:
        home.lose_the_grid()
        await answered(home)

    home.run(work)
    (claim,), (sim,) = home.records("claim"), home.records("sim")
    log = (home.folder / "activeNotifications.log").read_text()

    assert [each.text.text[:11] for each in home.sim.sent] == ["#1 home: lo"]
    assert home.shipping.withdrawals == 1
    assert (claim["numbers"], claim["possible_double"]) == ([NUMBER], False)
    assert sim["notification"] == claim["decision"]["id"]
    assert sim["outcomes"] == {NUMBER: "sent"}
    assert log.endswith("state=firing channel=sim outcome=sent to=+380...567\n")


def test_what_the_servers_take_is_not_texted(home: Home) -> None:
    async def work(home: Home) -> None:
        await home.modem.ready()
        home.lose_the_grid()
        home.take()
        await eventually(lambda: not home.ledger.handing.unlogged)
        await asyncio.sleep(0.5)  # beyond the hand-off: nothing happens

    home.run(work)

    assert home.sim.sent == []
    assert home.records("claim") == []
    assert "outcome=taken" in (home.folder / "activeNotifications.log").read_text()


def test_what_was_not_texted_when_the_link_is_up_again_is_handed_back(home: Home) -> None:
    home.sim.unplug()

    async def work(home: Home) -> None:
        home.lose_the_grid()
        await eventually(lambda: home.ledger.handing.claims == 1)
        home.take()
        await answered(home)

    home.run(work)

    assert [each["outcomes"] for each in home.records("sim")] == [{NUMBER: "handed_back"}]
    assert home.sim.sent == []


def test_what_is_not_told_by_text_is_not_texted(home: Home) -> None:
    quiet = Home(home.folder, home.sim, 'channels=["email"]')

    async def work(home: Home) -> None:
        await home.modem.ready()
        home.lose_the_grid()
        await asyncio.sleep(0.8)  # beyond the hand-off: nothing happens

    quiet.run(work)

    assert quiet.records("claim") == []


def test_a_claim_after_everything_was_handed_over_may_be_double(home: Home) -> None:
    async def work(home: Home) -> None:
        home.lose_the_grid()
        home.ledger.given[topics.TRANSITIONS] = home.ledger.newest(topics.TRANSITIONS)
        await answered(home)

    home.run(work)

    assert [each["possible_double"] for each in home.records("claim")] == [True]


@pytest.mark.parametrize(("severity", "given"), [("warning", 1), ("critical", 2)])
def test_silence_is_repeated_for_what_is_critical(home: Home, severity: str, given: int) -> None:
    home.sim.core.silent = 9
    critical = Home(home.folder, home.sim, f'severity="{severity}"')

    async def work(home: Home) -> None:
        home.lose_the_grid()
        await answered(home)

    critical.run(work)

    assert home.sim.core.given == given
    assert [each["outcomes"] for each in critical.records("sim")] == [{NUMBER: "unknown"}]


def test_what_was_with_the_modem_when_it_was_killed_may_have_been_sent(home: Home) -> None:
    home.sim.core.latency_s = 5.0

    async def killed(home: Home) -> None:
        home.lose_the_grid()
        await eventually(lambda: bool(home.sim.sent))

    async def again(home: Home) -> None:
        await answered(home)

    home.run(killed)
    home.sim.core.latency_s = 0.0
    home.run(again)

    assert [each["outcomes"] for each in home.records("sim")] == [{NUMBER: "unknown"}]
    assert len(home.sim.sent) == 1


def test_people_ask_and_acknowledge_by_text_and_strangers_do_not(home: Home) -> None:
    async def work(home: Home) -> int:
        home.lose_the_grid()
        await answered(home)
        for number, text in (
            (STRANGER, "STATUS"),
            (NUMBER, "status"),
            (NUMBER, "ACK 1"),
            (NUMBER, "ACK 7"),
            (NUMBER, "hello"),
        ):
            before = len(home.sim.sent)
            home.sim.receive(number, text)
            await eventually(
                lambda number=number, before=before: (
                    len(home.sim.sent) > before  # type: ignore[misc]
                    or (number == STRANGER and home.commands.ignored == 1)
                )
            )
        return home.commands.ignored

    assert home.run(work) == 1
    assert [each.text.text for each in home.sim.sent[1:]] == [
        "all is well",
        "ACK 1: noted.",
        "ACK 7: not known.",
        HELP,
    ]
    assert "outcome=acknowledged" in (home.folder / "activeNotifications.log").read_text()
