"""Chaos for those who deliver: workers are killed while they send, and providers misbehave.

Every message must arrive; what arrives twice must have been called ``unknown`` before.

    python -m tests.chaos.deliver --channel sms --messages 2000 --seed 1
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from app.broker.ports import LOOPBACK, free_port
from schemas import codec, topics
from schemas.delivery import Channel, Message
from tests.chaos.faults import Faults
from tests.end_to_end.machine import Machine, machine
from tests.in_thread import in_thread
from tests.providers.fcm_peer import PROJECT, fcm, service_account
from tests.providers.http_peer import HANGS_S
from tests.providers.smtp_peers import certificate, served
from tests.providers.twilio_peer import ACCOUNT, TOKEN, twilio
from tests.tables.outboxes import alone

WORKERS = 2
ENDS_WITHIN_S = 600
KILLS_FOR_S = 60.0
# What the server does instead of taking a mail, and how often in a hundred.
FAULTS = {
    "later": 4, "broken": 2, "hangs": 1, "drops before": 3, "drops after": 3, "garbage": 2,
}  # fmt: skip
HAS_SECRET = (Channel.SMS, Channel.PUSH)


class Outcome(msgspec.Struct, frozen=True):
    """What a run came to. twice: that arrived more than once. wrong: what must not be."""

    channel: str
    messages: int
    kills: int
    faults: dict[str, int]
    unknown: int
    twice: int
    seconds: float
    wrong: list[str]


class Server:
    """A mail server that misbehaves. Texts are known by their Message-ID."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content)["Message-ID"].strip("<>").partition("@")[0]
        fault = self.faults.next(mail)
        if fault == "later":
            return "451 4.3.0 try again later"
        if fault == "broken":
            return "421 4.3.2 shutting down"
        if fault != "drops before":
            self.faults.taken[mail] += 1
        if fault.startswith("drops"):
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
            await asyncio.Event().wait()  # until it is cancelled, because the connection is lost
        if fault == "hangs":
            await asyncio.sleep(HANGS_S)
        return "what?" if fault == "garbage" else "250 2.0.0 Ok"


@contextmanager
def mails(faults: Faults) -> Iterator[int]:
    """Run a mail server; return its port."""
    port = free_port()
    controller = Controller(Server(faults), hostname=LOOPBACK, port=port)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@contextmanager
def _email(faults: Faults, _home: Path) -> Iterator[str]:
    with mails(faults) as port:
        yield f"smtp://{LOOPBACK}:{port}?from=alerts@example.com&starttls=never&timeout=2"


@contextmanager
def _sms(faults: Faults, home: Path) -> Iterator[str]:
    with in_thread(twilio(faults)) as peer:
        (home / "secret").write_text(TOKEN)
        yield f"twilio://{ACCOUNT}?from=+15550199&timeout=2&api={peer.api}"


@contextmanager
def _push(faults: Faults, home: Path) -> Iterator[str]:
    pem = certificate(home)
    with in_thread(fcm(served(pem), faults)) as peer:
        (home / "secret").write_text(service_account(peer.api))
        yield f"firebase://{PROJECT}?timeout=2&api={peer.api}&ca={pem}"


PROVIDERS = {Channel.EMAIL: _email, Channel.SMS: _sms, Channel.PUSH: _push}


def run(
    home: Path,
    messages: int,
    seed: int,
    channel: Channel = Channel.EMAIL,
    kills_for_s: float = KILLS_FOR_S,
) -> Outcome:
    """Deliver so many ``messages`` while workers are killed; return what it came to.

    kills_for_s: at most; what is unknown again and again waits for longer each time.
    """
    started_s = time.monotonic()
    faults = Faults(seed, FAULTS)
    rules = home / "rules.toml"
    home.mkdir(parents=True)
    rules.write_text("rule = []\n")
    with PROVIDERS[channel](faults, home) as url:
        name = f"CHANGEOVER_{channel.name}"
        secret = {f"{name}_SECRET_FILE": str(home / "secret")} if channel in HAS_SECRET else {}
        env: dict[str, Any] = {name: url, **secret}
        with machine(home / "house", rules, **env) as house:
            for number in range(1, WORKERS + 1):
                house.start_worker("deliver", number)
            told = [alone(number, channel) for number in range(messages)]
            asyncio.run(_write(house.servers, channel, told))
            ids = {each.id for each in told}
            kills = _kill(house, ids, random.Random(seed), kills_for_s)
            records = [json.loads(each) for each in house.values(topics.DELIVERIES)]
    seconds = round(time.monotonic() - started_s, 1)
    return _judged(told, records, faults, kills, seconds)


def _judged(
    told: list[Message],
    records: list[dict[str, Any]],
    faults: Faults,
    kills: int,
    seconds: float,
) -> Outcome:
    channel = told[0].channel
    ended, unknown = _ended(records), _named(records, "unknown")
    names = {each.id: each.address if channel is Channel.SMS else each.id for each in told}
    taken = {identity: faults.taken[name] for identity, name in names.items()}
    wrong = [f"{each.id}: it did not end" for each in told if each.id not in ended]
    wrong += [f"{identity}: lost" for identity, count in taken.items() if not count]
    twice = {identity for identity, count in taken.items() if count > 1}
    wrong += [f"{identity}: twice, and not unknown" for identity in twice - unknown]
    return Outcome(
        channel.value,
        len(told),
        kills,
        dict(faults.counts),
        len(unknown),
        len(twice),
        seconds,
        wrong,
    )


async def _write(servers: str, channel: Channel, messages: list[Message]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    try:
        for each in messages:
            await producer.send(channel.value, codec.encode(each), each.recipient.encode())
    finally:
        await producer.stop()


def _kill(house: Machine, told: set[str], chance: random.Random, for_s: float) -> int:
    """Kill a worker now and then until all of ``told`` have ended; return how often."""
    kills, began_s = 0, time.monotonic()
    kill_until_s, deadline_s = began_s + for_s, began_s + ENDS_WITHIN_S
    while time.monotonic() < deadline_s:
        time.sleep(chance.uniform(0.5, 4))
        records = [json.loads(each) for each in house.values(topics.DELIVERIES)]
        if told <= _ended(records):
            break
        number = chance.randrange(WORKERS) + 1
        if house.ready(f"deliver-{number}") and time.monotonic() < kill_until_s:
            house.kill(f"deliver-{number}")
            house.start_worker("deliver", number)
            kills += 1
    return kills


def _ended(records: list[dict[str, Any]]) -> set[str]:
    final = [each for each in records if each["type"] == "failed" and not each["again"]]
    return _named(records, "sent") | _named(records, "expired") | _named(final, "failed")


def _named(records: list[dict[str, Any]], kind: str) -> set[str]:
    return {
        identity
        for each in records
        if each["type"] == kind
        for identity in (each["message"], *(also[0] for also in each["also"]))
    }


def main() -> None:
    """Run it as the command line says; exit code 1 when something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--channel", type=Channel, choices=tuple(Channel), default=Channel.EMAIL)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(Path(folder) / "home", given.messages, given.seed, given.channel)
    sys.stdout.write(json.dumps(msgspec.to_builtins(outcome), indent=2) + "\n")
    sys.exit(1 if outcome.wrong else 0)


if __name__ == "__main__":
    main()
