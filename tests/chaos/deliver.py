"""Chaos for those who deliver: workers are killed while they send, and the mail server misbehaves.

Every message must arrive; what arrives twice must have been called ``unknown`` before.

    python -m tests.chaos.deliver --messages 2000 --seed 1
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
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
from schemas.delivery import Message
from tests.end_to_end.machine import Machine, machine
from tests.tables.outboxes import alone

WORKERS = 2
ENDS_WITHIN_S = 600
HANGS_S = 6.0
KILLS_FOR_S = 60.0
# What the server does instead of taking a mail, and how often in a hundred.
FAULTS = {"later": 4, "hangs": 1, "drops before": 3, "drops after": 3, "garbage": 2}


class Outcome(msgspec.Struct, frozen=True):
    """What a run came to. twice: that arrived more than once. wrong: what must not be."""

    messages: int
    kills: int
    faults: dict[str, int]
    unknown: int
    twice: int
    seconds: float
    wrong: list[str]


class Server:
    """Takes mails, mostly; it misbehaves once with each. taken: how often each, by Message-ID."""

    def __init__(self, seed: int, faults: Mapping[str, int]) -> None:
        self._shares = faults
        self._chance = random.Random(seed)
        self.taken: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._wronged: set[str] = set()

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content)["Message-ID"].strip("<>").partition("@")[0]
        fault = "" if mail in self._wronged else self._fault()
        if fault:
            self.faults[fault] += 1
            self._wronged.add(mail)
        if fault == "later":
            return "451 4.3.0 try again later"
        if fault != "drops before":
            self.taken[mail] += 1
        if fault.startswith("drops"):
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
            await asyncio.Event().wait()  # until it is cancelled, because the connection is lost
        if fault == "hangs":
            await asyncio.sleep(HANGS_S)
        return "what?" if fault == "garbage" else "250 2.0.0 Ok"

    def _fault(self) -> str:
        hundred = self._chance.randrange(100)
        for fault, share in self._shares.items():
            if hundred < share:
                return fault
            hundred -= share
        return ""


@contextmanager
def serving(seed: int = 0, faults: Mapping[str, int] = FAULTS) -> Iterator[tuple[Server, int]]:
    """Run a server; return it and its port."""
    server, port = Server(seed, faults), free_port()
    controller = Controller(server, hostname=LOOPBACK, port=port)
    controller.start()
    try:
        yield server, port
    finally:
        controller.stop()


def run(home: Path, messages: int, seed: int) -> Outcome:
    """Deliver so many ``messages`` while workers are killed; return what it came to."""
    started_s = time.monotonic()
    with serving(seed) as (server, port):
        email = f"smtp://{LOOPBACK}:{port}?from=alerts@example.com&starttls=never&timeout=2"
        rules = home / "rules.toml"
        home.mkdir(parents=True)
        rules.write_text("rule = []\n")
        with machine(home / "house", rules, CHANGEOVER_EMAIL=email) as house:
            for number in range(1, WORKERS + 1):
                house.start_worker("deliver", number)
            told = [alone(number) for number in range(messages)]
            asyncio.run(_write(house.servers, told))
            kills = _kill(house, {each.id for each in told}, random.Random(seed))
            records = [json.loads(each) for each in house.values(topics.DELIVERIES)]
    ended, unknown = _ended(records), _named(records, "unknown")
    wrong = [f"{each.id}: it did not end" for each in told if each.id not in ended]
    wrong += [f"{each.id}: lost" for each in told if not server.taken[each.id]]
    twice = {identity for identity, count in server.taken.items() if count > 1}
    wrong += [f"{identity}: twice, and not unknown" for identity in twice - unknown]
    seconds = round(time.monotonic() - started_s, 1)
    return Outcome(messages, kills, dict(server.faults), len(unknown), len(twice), seconds, wrong)


async def _write(servers: str, messages: list[Message]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    try:
        for each in messages:
            await producer.send(topics.EMAIL, codec.encode(each), each.recipient.encode())
    finally:
        await producer.stop()


def _kill(house: Machine, told: set[str], chance: random.Random) -> int:
    """Kill a worker now and then until all of ``told`` have ended; return how often."""
    kills, began_s = 0, time.monotonic()
    kill_until_s, deadline_s = began_s + KILLS_FOR_S, began_s + ENDS_WITHIN_S
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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = run(Path(folder) / "home", given.messages, given.seed)
    sys.stdout.write(json.dumps(msgspec.to_builtins(outcome), indent=2) + "\n")
    sys.exit(1 if outcome.wrong else 0)


if __name__ == "__main__":
    main()
