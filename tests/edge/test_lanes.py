"""Each topic is shipped by itself: what one cannot do, the others do not feel."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError, TopicAuthorizationFailedError
from structlog.testing import capture_logs

from edge import ship
from edge.ledger import Ledger
from edge.ship import Shipper
from edge.spool import CorruptError, Spool, Spooled, SpoolError
from schemas import topics
from tests.edge.brokers import Broker

WITHIN_S = 10.0
TICK = b'{"type":"tick"}'


class Device:
    """A spool with some rows of every topic, and its shipper."""

    def __init__(self, folder: Path) -> None:
        self.broker = Broker()
        self.spool = Spool(folder / "spool", "home")
        self.shipper = Shipper(Ledger("home", "r", self.spool), ["nowhere:1"])
        self.failures = 0
        self.shipper.failed = self._failed
        self._seq = 0

    def spooled(self, names: Iterable[str], count: int = 1) -> None:
        for _ in range(count):
            self._seq += 1
            self.spool.commit([Spooled(name, self._seq, TICK) for name in names], {})
        self.shipper.wake()

    def handed(self, topic: str) -> int:
        return sum(each == topic for each, _ in self.broker.taken)

    def run(self, until: Callable[[], bool]) -> None:
        """Ship until that is true."""

        async def shipping() -> None:
            task = asyncio.create_task(self.shipper.run())
            try:
                async with asyncio.timeout(WITHIN_S):
                    while not until() and not task.done():
                        await asyncio.sleep(0.005)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            if not task.cancelled():
                await task

        asyncio.run(shipping())

    def _failed(self) -> None:
        self.failures += 1


@pytest.fixture(name="device")
def _device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    device = Device(tmp_path)
    monkeypatch.setattr(ship, "AIOKafkaProducer", device.broker.producer)
    monkeypatch.setattr(ship, "BACKOFF_S", (0.01, 0.02))
    monkeypatch.setattr(ship, "REFUSED_S", 0.02)
    yield device
    device.spool.close()


def refuse(topic: str, error: Exception) -> Callable[[str], Any]:
    def answers(of: str) -> None:
        if of == topic:
            raise error

    return answers


def test_a_record_that_is_too_large_keeps_only_its_own_topic(device: Device) -> None:
    device.broker.answers = refuse(topics.PROBES, MessageSizeTooLargeError("too large"))
    device.spooled([topics.PROBES, topics.TRANSITIONS, topics.MALFORMED], 7)
    with capture_logs() as logs:
        device.run(lambda: device.handed(topics.PROBES) > 12 and device.shipper.shipped == 14)

    assert device.handed(topics.TRANSITIONS) == device.handed(topics.MALFORMED) == 7
    assert [row.topic for row in device.spool.read(99)] == [topics.PROBES] * 7
    assert [each["event"] for each in logs] == ["shipping_failed"]
    assert device.shipper.trouble == "probes: [Error 10] MessageSizeTooLargeError: too large"
    assert device.failures == 0  # the broker answers: that is no word about the internet


def test_a_topic_that_is_refused_keeps_no_other_and_starts_no_other_anew(device: Device) -> None:
    device.broker.partitions[topics.ACTIVE] = TopicAuthorizationFailedError("active")
    device.spooled([topics.ACTIVE, topics.PROBES, topics.TRANSITIONS], 7)
    with capture_logs() as logs:
        device.run(lambda: device.broker.starts > 9 and device.shipper.shipped == 14)

    assert device.handed(topics.TRANSITIONS) == device.handed(topics.PROBES) == 7
    assert device.spool.waiting == 7
    assert [each["event"] for each in logs] == ["shipping_failed"]


def test_an_answer_that_is_none_is_survived_and_said_once(device: Device) -> None:
    def begins() -> None:
        if device.broker.starts < 9:
            raise TypeError("'NoneType' object is not iterable")

    device.broker.begins = begins
    device.spooled([topics.TRANSITIONS, topics.PROBES], 2)
    with capture_logs() as logs:
        device.run(lambda: not device.spool.waiting)

    assert [each["event"] for each in logs] == ["shipping_failed", "shipping_resumed"]
    assert "strange answer made TypeError" in logs[0]["reason"]
    assert device.failures > 1


def test_what_cannot_be_noted_as_shipped_is_not_sent_again(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    acknowledge, tries = device.spool.acknowledge, list[str]()

    def full(topic: str, *arguments: Any) -> None:
        tries.append(topic)
        if len(tries) < 9:
            raise SpoolError("database or disk is full")
        acknowledge(topic, *arguments)

    monkeypatch.setattr(device.spool, "acknowledge", full)
    device.spooled([topics.TRANSITIONS], 3)
    device.run(lambda: not device.spool.waiting)

    assert device.handed(topics.TRANSITIONS) == 3
    assert (device.failures, device.broker.starts) == (0, 1)


def test_a_damaged_spool_ends_it(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: Any) -> None:
        raise CorruptError("database disk image is malformed")

    monkeypatch.setattr(device.spool, "acknowledge", damaged)
    device.spooled([topics.TRANSITIONS])

    with pytest.raises(CorruptError):
        device.run(lambda: False)


def test_malformed_waits_for_all_that_is_decided(device: Device) -> None:
    device.spooled([topics.MALFORMED, topics.ACTIVE], 2)
    device.spooled([topics.PROBES, topics.TRANSITIONS], 10)
    device.run(lambda: not device.spool.waiting)

    order = [topic in ship.LATER for topic, _ in device.broker.taken]
    assert order == sorted(order)
    assert len(order) == 24


def test_the_more_is_on_its_way_the_longer_an_answer_may_take(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ship, "ACKNOWLEDGED_WITHIN_S", 0.05)
    monkeypatch.setattr(ship, "SLOWEST_BYTES_PER_S", 100_000)
    device.broker.answers = lambda _topic: asyncio.sleep(0.4)
    device.spool.commit([Spooled(topics.MALFORMED, 0, b"x" * 60_000)], {})
    device.run(lambda: not device.spool.waiting)

    assert device.broker.starts == 1


def test_nothing_is_open_and_nothing_is_handed_over_while_it_is_withdrawn(device: Device) -> None:
    device.broker.answers = refuse(topics.PROBES, MessageSizeTooLargeError("too large"))
    seen = list[tuple[int, int]]()

    async def withdrawing() -> None:
        task = asyncio.create_task(device.shipper.run())
        for pause_s in (0.01, 0.02, 0.03, 0.035, 0.04):
            device.spooled([topics.PROBES, topics.TRANSITIONS], 2)
            await asyncio.sleep(pause_s)  # somewhere between its start and its end
            async with device.shipper.withdrawn():
                handed = len(device.broker.taken)
                device.spooled([topics.TRANSITIONS])
                await asyncio.sleep(0.03)
                seen.append((device.broker.open, len(device.broker.taken) - handed))
        while any(row.topic == topics.TRANSITIONS for row in device.spool.read(99)):
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(asyncio.wait_for(withdrawing(), WITHIN_S))

    assert seen == [(0, 0)] * 5
