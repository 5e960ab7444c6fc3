"""A broker without Kafka, for ``edge.ship``: what it takes, refuses, and when it answers."""

import asyncio
from collections.abc import Callable
from typing import Any


class Batch:
    """Holds three records at most."""

    def __init__(self) -> None:
        self.values: list[bytes] = []

    def append(self, *, timestamp: None, key: bytes, value: bytes) -> object | None:
        if len(self.values) == 3:
            return None
        self.values.append(value)
        return object()


class Broker:
    """Takes every batch, if ``answers`` lets it.

    taken: topic and value of all that was handed over, in order. open: how many producers are not
    given up. starts: how many there were.
    answers: called with the topic of a batch; what it raises is the answer. It may wait.
    """

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.open = self.starts = 0
        self.answers: Callable[[str], Any] = lambda _topic: None
        self.begins: Callable[[], None] = lambda: None
        self.partitions: dict[str, Any] = {}

    def producer(self, **_: Any) -> "Producer":
        return Producer(self)


class Closing:
    def __init__(self, close: Callable[[], Any]) -> None:
        self.close = close


class Producer:
    """What ``Broker.producer`` makes in the place of aiokafka's."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._sender, self.client = Closing(self._stop), Closing(self._end)
        self._begun = False

    async def start(self) -> None:
        self._broker.starts += 1
        self._broker.open += 1
        self._begun = True
        self._broker.begins()

    async def partitions_for(self, topic: str) -> set[int]:
        await asyncio.sleep(0)
        if topic in self._broker.partitions:
            raise self._broker.partitions[topic]
        return {0, 1}

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> asyncio.Future[None]:
        self._broker.taken += [(topic, value) for value in batch.values]
        return asyncio.ensure_future(self._answer(topic))

    async def _answer(self, topic: str) -> None:
        answer = self._broker.answers(topic)
        if answer is not None:
            await answer

    async def _stop(self) -> None:
        await asyncio.sleep(0.01)

    async def _end(self) -> None:
        self._broker.open -= self._begun
        self._begun = False
