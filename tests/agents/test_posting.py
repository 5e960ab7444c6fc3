"""How what an outbox decides comes to be sent, on fakes of the table, the broker and a provider."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from agents import posting
from agents.courier import Courier
from agents.posting import Dead, Post
from app.providers.provider import Answer, Outgoing, Verdict
from app.stream.batches import Batch, KafkaRecord
from app.stream.producer import Send
from schemas import codec, topics
from schemas.delivery import Channel, OutboxEvent, Queued
from tests.records import fetched
from tests.tables.outboxes import DAWN, NOTHING, message, ms

PARTITION = 1
NOW_S = ms(DAWN) / 1_000


class Taking:
    """A provider that answers as it is told, at first that it took everything."""

    at_once, calls = 10, 1

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.answer = Answer(Verdict.SENT, reference="there")

    async def send(self, texts: Sequence[Outgoing]) -> list[Answer]:
        self.taken += [each.text for each in texts]
        return [self.answer] * len(texts)

    async def close(self) -> None: ...


class World:
    """A topic and a table; what is sent to ``deliveries`` stands on the topic at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.topic: list[KafkaRecord] = []
        self.elsewhere: list[Send] = []
        self.suppressed: list[Dead] = []
        self.states: dict[bytes, tuple[int, bytes]] = {}
        self.provider = Taking()
        self.folded = 0
        self.end: int | None = None
        monkeypatch.setattr(posting, "send_all", self.send_all)
        monkeypatch.setattr(posting, "outboxes", self)
        self.post = self.worker()

    def worker(self) -> Post:
        """Return a worker that has just been given the partition."""
        post = Post(self.where, lambda *dead: self.suppressed.append(dead))
        post.__dict__["couriers"] = {  # else they would be made when first needed
            channel: Courier(self.provider, post._find, post._tell, lambda: NOW_S)
            for channel in Channel
        }
        post.rebuild()
        return post

    async def send_all(self, _app: Any, sends: Sequence[Send]) -> None:
        for each in sends:
            if each.topic == topics.DELIVERIES:
                at = len(self.topic)
                self.topic.append(fetched(each.key, each.value, at, ms(DAWN) + at))
            else:
                self.elsewhere.append(each)

    async def store(self, _partition: int, states: Mapping[bytes, tuple[int, bytes]]) -> None:
        self.states.update(states)

    def read(self, _partition: int, key: bytes) -> tuple[int, bytes | None]:
        return self.states.get(key, (-1, None))

    def held(self) -> Mapping[int, list[bytes]]:
        return {PARTITION: list(self.states)}

    async def where(self) -> Mapping[int, int]:
        """Return where the topic ends, or ended when somebody else was writing."""
        return {PARTITION: len(self.topic) if self.end is None else self.end}

    def write(self, event: OutboxEvent, key: bytes = b"ann") -> None:
        at = len(self.topic)
        self.topic.append(fetched(key, codec.encode(event), at, ms(DAWN) + at))

    async def fold(self, end: int | None = None) -> None:
        """Let the worker fold to ``end``, by default to where nothing more comes."""
        while self.folded < (len(self.topic) if end is None else end):
            records = self.topic[self.folded : end]
            self.folded += len(records)
            await self.post(Batch(topics.DELIVERIES, PARTITION, records))

    async def look(self, end: int | None = None) -> None:
        """Let the worker look around, as it does once a second."""
        ends = {PARTITION: len(self.topic) if end is None else end}
        handled = {PARTITION: self.folded}
        await self.send_all(None, self.post.look(ends, handled, NOW_S))

    async def work(self) -> None:
        """Let the couriers send all that waits, and fold what becomes of it."""
        running = [asyncio.create_task(each.run()) for each in self.post.couriers.values()]
        for _ in range(50):
            await asyncio.sleep(0)
            await self.fold()
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    @property
    def kinds(self) -> list[str]:
        return [msgspec.json.decode(each.value or b"")["type"] for each in self.topic]


@pytest.fixture(name="world")
def _world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


async def settled(world: World) -> None:
    await world.look()
    await world.fold()


def test_a_message_is_sent_once_its_attempt_was_read_back(world: World) -> None:
    async def live() -> None:
        await settled(world)
        world.write(Queued(message=message(1), terms=NOTHING))
        await world.fold(1)
        before = list(world.provider.taken)
        await world.work()
        assert before == []

    asyncio.run(live())

    assert world.kinds == ["queued", "attempt", "sent"]
    assert world.provider.taken == ["text 1"]


def test_nothing_begins_before_the_partition_was_folded_to_its_end(world: World) -> None:
    async def live() -> None:
        world.write(Queued(message=message(1), terms=NOTHING))
        world.end = 5  # as far as the broker knows
        await world.look(end=5)
        await world.work()

    asyncio.run(live())

    assert world.kinds == ["queued", "attempt"]
    assert world.provider.taken == []


def test_what_another_worker_began_is_unknown_and_tried_again(world: World) -> None:
    async def live() -> None:
        await settled(world)
        world.write(Queued(message=message(1), terms=NOTHING))
        await world.fold()  # its attempt is read back; and this worker is no more
        world.post = world.worker()
        await world.look()
        await world.work()

    asyncio.run(live())

    assert world.kinds == ["queued", "attempt", "unknown"]
    assert world.provider.taken == []


def test_what_was_decided_since_it_is_ours_begins_when_it_is_settled(world: World) -> None:
    async def live() -> None:
        world.end = 1
        world.write(Queued(message=message(1), terms=NOTHING))
        await world.fold()
        await world.look()
        await world.work()

    asyncio.run(live())

    assert world.kinds == ["queued", "attempt", "sent"]


def test_what_this_worker_is_sending_goes_on_through_a_rebalance(world: World) -> None:
    async def live() -> None:
        await settled(world)
        world.write(Queued(message=message(1), terms=NOTHING))
        await world.fold()
        world.post.rebuild()
        await settled(world)
        await world.work()

    asyncio.run(live())

    assert world.kinds == ["queued", "attempt", "sent"]


def test_an_address_that_is_dead_is_suppressed_also_after_a_restart(world: World) -> None:
    async def live() -> None:
        await settled(world)
        world.provider.answer = Answer(Verdict.REFUSED, reason="gone", dead=True)
        world.write(Queued(message=message(1), terms=NOTHING))
        await world.work()
        world.post = world.worker()

    asyncio.run(live())
    once, again = world.suppressed

    assert world.kinds == ["queued", "attempt", "failed"]
    assert once == again
    assert once[:3] == (Channel.SMS, "+15550100", "gone")


def test_copies_of_an_attempt_begin_nothing(world: World) -> None:
    async def live() -> None:
        await settled(world)
        world.write(Queued(message=message(1), terms=NOTHING))
        await world.fold(1)
        world.topic.append(fetched(b"ann", world.topic[1].value, 2, ms(DAWN)))
        await world.work()

    asyncio.run(live())

    assert world.provider.taken == ["text 1"]


def test_a_channel_that_is_configured_wrongly_is_asked_once_and_keeps_its_texts(
    world: World,
) -> None:
    world.provider.answer = Answer(Verdict.DOWN, reason="no such account")

    async def live() -> None:
        await settled(world)
        for number, key in enumerate((b"ann", b"bob", b"cyn")):
            told = msgspec.structs.replace(message(number), recipient=key.decode())
            world.write(Queued(message=told, terms=NOTHING), key)
            await world.work()

    asyncio.run(live())
    failed = [msgspec.json.decode(each.value or b"") for each in world.topic]

    assert world.provider.taken == ["text 0"]
    assert [(each["again"], each["counts"]) for each in failed if each["type"] == "failed"] == [
        (True, False)
    ] * 3


def test_a_wake_writes_a_tick_and_only_when_it_is_due(world: World) -> None:
    async def live() -> None:
        await settled(world)
        await world.look()
        world.provider.answer = Answer(Verdict.RETRY, reason="503")
        world.write(Queued(message=message(1), terms=NOTHING))
        await world.work()
        early = world.post.look({PARTITION: 3}, {PARTITION: 3}, NOW_S + 2)
        late = world.post.look({PARTITION: 3}, {PARTITION: 3}, NOW_S + 8)
        again = world.post.look({PARTITION: 3}, {PARTITION: 3}, NOW_S + 8)
        assert ([len(each) for each in (early, late, again)]) == [0, 1, 0]

    asyncio.run(live())


def test_rubbish_is_parked_and_the_rest_folded(world: World) -> None:
    async def live() -> None:
        await settled(world)
        world.topic.append(fetched(b"ann", b"rubbish", 0))
        world.topic.append(
            fetched(None, codec.encode(Queued(message=message(1), terms=NOTHING)), 1)
        )
        world.write(Queued(message=message(2), terms=NOTHING))
        await world.work()

    asyncio.run(live())

    assert [each.topic for each in world.elsewhere] == [topics.MALFORMED] * 2
    assert world.provider.taken == ["text 2"]
