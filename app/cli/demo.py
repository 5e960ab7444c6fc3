"""``changeover demo``: a home whose grid comes and goes, on the real clock, told as it happens."""

import asyncio
import contextlib
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import msgspec

from app import house, kafka, rules_file, settings
from app.audit import Audit, Report
from app.broker.errors import BrokerError
from app.broker.link import Link
from app.broker.outside import Outside
from app.broker.ports import LOOPBACK, free_port
from app.cli.saying import say
from app.cli.showing import counted
from app.database import DatabaseError
from app.directory import Contact, Device, Directory, Person
from app.sim800 import Simulator
from app.sim800.pty import Sent as TextSent
from app.supervisor import NotReadyError, until_interrupted
from schemas import codec, topics
from schemas.decision import Decision, Kind
from schemas.delivery import Channel, Expired, Sent, Waits
from schemas.duration import Duration
from tables.routing import When

DEVICE = "demo-home"
RULES = """\
[[rule]]
name = "grid_lost"
stream = "transitions"
needs = "grid"
when = { field = "source", not_equals = "grid" }
for = "5s"
clear_for = "2s"
reset = "30s"
"""
ANN = "+15550100"
CONFIG = """\
device = "{device}"
brokers = "{brokers}"
tick = "1s"
settle = "0.5s"
numbers = ["{number}"]
handoff = "6s"

[modem]
port = "{modem}"

[[rule]]
name = "grid_lost"
for = "5s"
clear_for = "2s"
reset = "30s"
"""
# Seconds from the beginning, what the changeover box writes, and what a person should expect of it.
STORY = (
    (3, "grid", "inverter", "a flicker: the grid goes. It must last 5 s before anybody is told"),
    (5, "inverter", "grid", "it is back after 2 s: nothing will be said"),
    (10, "grid", "inverter", "an outage of 12 s begins: to be told 5 s from now"),
    (22, "inverter", "grid", "the grid is back: resolved when it has stayed for 2 s"),
    (30, "grid", "inverter", "a second outage, of 8 s, inside the reset of 30 s: suppressed"),
    (38, "inverter", "grid", "it is over; nobody was told, so nobody is told that it is over"),
    (50, "grid", "inverter", "the reset has passed: this outage is told, with the one suppressed"),
    (60, "inverter", "grid", "the grid is back"),
    (86, "grid", "inverter", "the grid goes, and with it the internet of the house"),
    (106, "inverter", "grid", "the grid is back; this is told by the servers again"),
)
CUT_S, MENDED_S = 84, 102
END_S = 150  # a minute after the text before, another may leave
EXPECTED = Counter(
    {Kind.FIRED: 3, Kind.RESOLVED: 3, Kind.SUPPRESSED: 1, Kind.SUPPRESSED_RESOLVED: 1}
)
# Ann by three channels and Bob by one, told six times; one of them by the device, by text.
MESSAGES = 6 * 4
WHY = {
    Kind.FIRED: "it held for as long as it must, so people are told",
    Kind.RESOLVED: "it is gone for as long as it must; those who were told are told so",
    Kind.REPEATED: "it still holds when the reset has passed",
    Kind.SUPPRESSED: "it held, but people were told less than a reset ago",
    Kind.SUPPRESSED_RESOLVED: "that one is over: nobody was told of it, nobody is now",
}


class Seen:
    """What went by on the topics. ended: what became of each message."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.decisions: dict[str, Decision] = {}
        self.ended: dict[str, str] = {}

    def decision(self, decision: Decision) -> None:
        """Tell why it was decided."""
        if decision.id not in self.decisions:
            self.decisions[decision.id] = decision
            say(f"  {decision.rule} {decision.kind}: {WHY[decision.kind]}")
            if decision.suppressed and decision.kind is Kind.FIRED:
                say(f"           and it says that {decision.suppressed} was suppressed since")

    def texted(self, sent: TextSent) -> None:
        """Tell what the device texts by itself."""
        say(f"  text from the device's modem to {sent.text.number}: {sent.text.text}")

    def became(self, delivery: Waits | Sent | Expired) -> None:
        """Tell what became of messages, or why they wait."""
        if set(delivery.messages) <= self.ended.keys():
            return
        match delivery:
            case Waits():
                became = f"waits until {delivery.until:%H:%M:%S}: {delivery.reason}"
            case Sent():
                became = delivery.reference
            case Expired():
                became = f"not sent: {delivery.reason}"
        if not isinstance(delivery, Waits):
            self.ended |= dict.fromkeys(delivery.messages, became)
        count = len(delivery.messages)
        several = f" ({count} messages)" if count > 1 else ""
        say(f"  {delivery.channel} to {delivery.recipient}{several}: {became}")

    @property
    def complete(self) -> bool:
        """Return whether all went as the story says: every message has ended."""
        kinds = Counter(decision.kind for decision in self.decisions.values())
        return kinds == EXPECTED and len(self.ended) == MESSAGES


@click.command(name="demo")
@click.option("--once", is_flag=True, help="End by itself after two and a half minutes.")
def demo(once: bool) -> None:
    """Show the whole product at work, on logs it writes itself, in a fresh folder.

    \b
    changeover demo --once
    """
    try:
        complete = asyncio.run(_demo(once))
    except (settings.SettingsError, BrokerError, NotReadyError, DatabaseError) as error:
        raise click.ClickException(str(error)) from None
    sys.exit(0 if complete else 1)


def _settings() -> settings.Settings:
    base = settings.read()
    home = base.home_dir / "demo" / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    (home / "device").mkdir(parents=True)
    (home / "rules.toml").write_text(RULES)
    broker = free_port()
    pages = free_port(broker)
    return msgspec.structs.replace(
        base,
        home=str(home),
        bootstrap="",
        database="",
        outbox="",
        broker_port=broker,
        dashboard_port=pages,
        rules=str(home / "rules.toml"),
        grouping=Duration(seconds=1),
    )


async def _demo(once: bool) -> bool:
    read = _settings()
    device = read.home_dir / "device"
    inner = free_port(read.broker_port, read.dashboard_port)
    outside = Outside(inner, free_port(inner, read.broker_port, read.dashboard_port))
    modem, config = device / "modem", device / "notifications.config"
    brokers = f"{LOOPBACK}:{outside.reached_by}"
    config.write_text(CONFIG.format(device=DEVICE, brokers=brokers, number=ANN, modem=modem))
    _people(read)
    seen = Seen()
    say(f"a home with a grid, an inverter and a modem; everything lies in {read.home_dir}")
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(Simulator(modem, seen.texted))
        link = await stack.enter_async_context(Link(outside.reached_by, inner))
        house_running = house.running(read, say, config=config, outside=outside)
        await stack.enter_async_context(house_running)
        say(f"look at it: http://127.0.0.1:{read.dashboard_port}/")
        say(f"or ask it: {_variables(read)} changeover tables show {DEVICE}")
        await _told(read, device, link, seen, once=once)
        report = await Audit(read.servers, rules_file.load(read.rules)).run(30, lambda *_: None)
        _summarise(read, seen, report)
    return not once or (seen.complete and not report.differences)


async def _told(
    read: settings.Settings, device: Path, link: Link, seen: Seen, *, once: bool
) -> None:
    """Tell the story, and say what comes of it; unless ``once``, until Ctrl-C."""
    watching = asyncio.create_task(_watch(read.servers, seen))
    probing = asyncio.create_task(_probe(device))
    cutting = asyncio.create_task(_cut(link))
    ended = asyncio.create_task(until_interrupted())
    telling = asyncio.create_task(_tell(device))
    await asyncio.wait({telling, ended}, return_when=asyncio.FIRST_COMPLETED)
    if telling.done() and not once:
        say("that was the story; all goes on until Ctrl-C")
        await ended
    for task in (telling, cutting, probing, watching, ended):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _cut(link: Link) -> None:
    """Cut the internet of the house, and mend it."""
    await asyncio.sleep(CUT_S)
    link.cut(silently=True)
    await asyncio.sleep(MENDED_S - CUT_S)
    say("the internet is back: the servers hear of it all, and text nobody whom the device texted")
    link.mend()


def _people(read: settings.Settings) -> None:
    directory = Directory(read.database_url)
    addresses = (
        ("ann", Channel.EMAIL, "ann@example.com"),
        ("ann", Channel.SMS, ANN),
        ("ann", Channel.PUSH, "demo-registration"),
        ("bob", Channel.EMAIL, "bob@example.com"),
        ("bob", Channel.SMS, "+15550101"),
    )
    directory.put(
        Person(person="ann", name="Ann"),
        Person(person="bob", name="Bob", sms=When.NEVER),
        *(
            Contact(person=person, channel=channel, address=address, verified=True)
            for person, channel, address in addresses
        ),
        Device(device=DEVICE, owners=("ann", "bob")),
    )


async def _tell(device: Path) -> None:
    started = datetime.now(UTC)
    _append(device / "Transition.log", "from=inverter to=grid")
    for second, before, after, sentence in STORY:
        await _until(started + timedelta(seconds=second))
        say(sentence)
        _append(device / "Transition.log", f"from={before} to={after}")
    await _until(started + timedelta(seconds=END_S))


async def _probe(device: Path) -> None:
    soc = 90.0
    while True:
        soc -= 0.02
        line = f"power_w=400 energy_wh=0.1 battery_v=51.3 soc_pct={soc:.2f}"
        _append(device / "probeEnergy.log", line)
        await asyncio.sleep(1)


async def _until(instant: datetime) -> None:
    await asyncio.sleep(max(0.0, (instant - datetime.now(UTC)).total_seconds()))


def _append(log: Path, line: str) -> None:
    with log.open("a") as file:
        file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ} {line}\n")


async def _watch(servers: str, seen: Seen) -> None:
    names = [topics.NOTIFICATIONS, topics.DELIVERIES]
    async for record in kafka.read(servers, names, follow=True):
        value = codec.decode(codec.any_record, record.value)
        if isinstance(value, Decision):
            seen.decision(value)
        elif isinstance(value, Waits | Sent | Expired):
            seen.became(value)


def _summarise(read: settings.Settings, seen: Seen, report: Report) -> None:
    kinds = Counter(str(decision.kind) for decision in seen.decisions.values())
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    say(f"decisions: {told}")
    say(f"messages: {len(seen.ended)}; those the servers sent lie in {read.outbox_dir}")
    differences = counted(len(report.differences), "difference")
    say(f"audit: {report.events} events decided again, {differences}")
    say(f"to look at it again: {_variables(read)} changeover up")


def _variables(read: settings.Settings) -> str:
    home = f"CHANGEOVER_HOME={read.home_dir} CHANGEOVER_RULES={read.rules}"
    ports = f"CHANGEOVER_BROKER_PORT={read.broker_port}"
    return f"{home} {ports} CHANGEOVER_DASHBOARD_PORT={read.dashboard_port}"
