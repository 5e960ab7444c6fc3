"""What the servers do not take in time is claimed, and texted, once."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from edge.ledger import Ledger
from edge.parse import TransitionLine
from edge.spool import Spool, SpoolError
from schemas import topics
from schemas.events import Source, Texted
from tests.edge.home import NUMBER, Home, answered, eventually


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


def test_an_acknowledgement_stores_nothing_of_which_the_records_are_not_stored(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise SpoolError("the disk is full")

    now = datetime.now(UTC)
    with Spool(home.folder / "spool", "home") as spool:
        home.ledger = ledger = Ledger("home", "r", spool)
        home.lose_the_grid()
        job = ledger.claim(ledger.handing.untold[0], [NUMBER], "text", now)
        written = msgspec.structs.replace(job.texts[0], written=True)
        ledger.texted(job.number, written, now)
        back = TransitionLine(2, now, {}, Source.INVERTER, Source.GRID)
        ledger.add(ledger.stamper.line(back, now))
        ledger.add(ledger.stamper.tick(topics.TRANSITIONS, now + timedelta(seconds=70)))
        ledger.commit()
        with monkeypatch.context() as disk:
            disk.setattr(spool, "commit", full)
            sent = msgspec.structs.replace(written, outcome=Texted.SENT)
            ledger.texted(job.number, sent, now)
            home.take()
        assert not ledger.handing.jobs
    with Spool(home.folder / "spool", "home") as spool:  # killed before it could commit
        ledger = Ledger("home", "r2", spool)
        ledger.answer(now)
        ledger.commit()

        assert ledger.handing.untold == ()
    assert [each["outcomes"] for each in home.records("sim")] == [{NUMBER: "unknown"}]


def test_a_clock_that_is_set_loses_nothing_that_was_to_be_told(home: Home) -> None:
    with Spool(home.folder / "spool", "home") as spool:
        home.ledger = ledger = Ledger("home", "r", spool)
        home.lose_the_grid()
        (untold,), now = ledger.handing.untold, datetime.now(UTC)
        right = now + timedelta(hours=8)
        ledger.add(ledger.stamper.clock_set(now, right, now - timedelta(minutes=5)))
        ledger.add(ledger.stamper.tick(topics.TRANSITIONS, right + timedelta(seconds=1)))
        (still,) = ledger.handing.untold

        again = right + timedelta(days=1)
        ledger.add(ledger.stamper.clock_set(right, again, right - timedelta(seconds=1)))
        ledger.add(ledger.stamper.tick(topics.TRANSITIONS, again + timedelta(seconds=1)))
        (moved,) = ledger.handing.untold

    assert still.decision == moved.decision == untold.decision
    assert still.useful_until - untold.useful_until == right - now
    assert moved.useful_until - untold.useful_until == again - now
