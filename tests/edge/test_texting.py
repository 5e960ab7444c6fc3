"""What is texted, in which order, and what becomes of it; and what people text is answered."""

import asyncio
from datetime import UTC, datetime

import pytest

from app.sim800.wire import submitted
from edge.commands import HELP, Commands
from schemas.delivery import Channel
from tables import limits
from tests.edge.home import NUMBER, OTHER, STRANGER, Home, answered, eventually


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


def test_a_number_that_cannot_be_reached_keeps_no_other_from_its_text(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = home.sim.core._send

    def refusing(pdu: str, length: int) -> None:
        if submitted(pdu, length).number == NUMBER:
            home.sim.core.errors.append("CMS 22")
        real(pdu, length)

    monkeypatch.setattr(home.sim.core, "_send", refusing)
    home.numbers = (NUMBER, OTHER)

    async def work(home: Home) -> None:
        home.lose_the_grid()
        await eventually(lambda: bool(home.sim.sent))
        home.commands = Commands([OTHER], home.offline.reply, lambda _: True, lambda: "all is well")
        home.sim.receive(OTHER, "STATUS")
        await eventually(lambda: len(home.sim.sent) == 2)
        home.take()
        await answered(home)

    home.run(work)

    assert [each.text.number for each in home.sim.sent] == [OTHER, OTHER]
    assert [each["outcomes"] for each in home.records("sim")] == [
        {NUMBER: "handed_back", OTHER: "sent"}
    ]


def test_without_a_network_everything_rests(home: Home) -> None:
    home.sim.core.errors += ["CMS 331"]
    home.numbers = (NUMBER, OTHER)

    async def work(home: Home) -> None:
        home.lose_the_grid()
        await eventually(lambda: home.sim.core.given == 1)
        await asyncio.sleep(0.5)  # nothing happens

    home.run(work)

    assert (home.sim.core.given, home.sim.sent) == (1, [])


def test_what_helps_nobody_any_more_when_the_modem_is_back_is_not_texted(home: Home) -> None:
    home.sim.unplug()
    short = Home(home.folder, home.sim, 'severity="warning"\nusefulness="6s"')

    async def work(home: Home) -> None:
        home.lose_the_grid()
        await eventually(lambda: home.ledger.handing.claims == 1)
        useful_until = home.ledger.handing.jobs[0].useful_until
        await eventually(lambda: datetime.now(UTC) > useful_until)
        home.sim.plug()
        await answered(home)

    short.run(work)

    assert home.sim.sent == []
    assert [each["outcomes"] for each in short.records("sim")] == [{NUMBER: "handed_back"}]


def test_what_may_have_been_sent_is_not_handed_back_when_the_link_is_up_again(home: Home) -> None:
    home.sim.core.silent = 1
    critical = Home(home.folder, home.sim, 'severity="critical"')

    async def work(home: Home) -> None:
        home.lose_the_grid()
        await eventually(lambda: any(each.texts[0].maybe for each in home.ledger.handing.jobs))
        home.take()
        await answered(home)

    critical.run(work)

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


def test_people_ask_and_acknowledge_by_text_and_strangers_do_not(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(limits.CAPS, Channel.SMS, ())

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
