"""Records as they would lie on the topics, made by the core itself from a small history."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
from aiokafka import TopicPartition

from schemas import codec, topics
from schemas.delivery import Attempt, Channel, Message, Sent, message_id
from schemas.events import Event, Source
from schemas.malformed import malformed
from schemas.record import Record
from tables import wording
from tables.fold import State, fold
from tables.policy import Policies
from tables.rules import default
from tests.events import GRID, INVERTER, at, reading, tick, transition

HISTORY: dict[str, list[tuple[str, Event]]] = {
    "ikeja-0042": [
        (topics.TRANSITIONS, transition(0, INVERTER, GRID)),
        (topics.TRANSITIONS, transition(60, GRID, INVERTER)),
        (topics.PROBES, reading(120, power_w=3_400, energy_wh=12.5, soc_pct=64.0)),
        (topics.PROBES, reading(260, power_w=3_350, energy_wh=55.0, soc_pct=18.5)),
        (topics.TRANSITIONS, tick(280)),
    ],
    "yaba-0007": [
        (topics.TRANSITIONS, transition(0, INVERTER, GRID)),
        (topics.TRANSITIONS, transition(30, GRID, Source.GENERATOR)),
        (topics.TRANSITIONS, transition(200, Source.GENERATOR, GRID)),
        (topics.TRANSITIONS, tick(290)),
    ],
    "shop <b>&": [(topics.TRANSITIONS, transition(10, GRID, GRID))],
}
TOLD = (
    ("ann", Channel.EMAIL, "ann@example.com"),
    ("ann", Channel.SMS, "+2348012345678"),
    ("bob", Channel.PUSH, "registration-of-bob"),
)


NOW = datetime.now(UTC).replace(microsecond=0)  # one for all: the second may end between two


class Topics:
    """What lies on the topics; every record on partition 0, appended a second after its time."""

    def __init__(self, shift: timedelta = timedelta()) -> None:
        """Move the whole history by ``shift``."""
        self._shift = shift
        self._ends: dict[str, int] = {}
        self.fetched: dict[TopicPartition, list[Any]] = {}

    def add(
        self, topic: str, key: str, record: Record, appended: datetime, origin: str = ""
    ) -> str:
        offset = self._ends.get(topic, 0)
        self._ends[topic] = offset + 1
        kept = SimpleNamespace(
            topic=topic,
            partition=0,
            offset=offset,
            key=key.encode(),
            value=codec.encode(record),
            timestamp=round((appended + self._shift + timedelta(seconds=1)).timestamp() * 1_000),
            headers=(("origin", origin.encode()),),
        )
        self.fetched.setdefault(TopicPartition(topic, 0), []).append(kept)
        return f"{topic}:0:{offset}"

    def write(self) -> Mapping[TopicPartition, Sequence[Any]]:
        """Return all of it: events, what the core decides of them, messages and outcomes."""
        for device, history in HISTORY.items():
            states = {stream: State() for stream in (topics.TRANSITIONS, topics.PROBES)}
            for seq, (stream, event) in enumerate(history, 1):
                self._event(device, stream, seq, event, states)
        bad = malformed("yaba-0007", "Transition.log:9", "to=moon is not a source", b"<i>moon</i>")
        self.add(topics.MALFORMED, "yaba-0007", bad, at(100))
        return self.fetched

    def _event(
        self, device: str, stream: str, seq: int, event: Event, states: dict[str, State]
    ) -> None:
        moved = msgspec.structs.replace(
            event, device=device, epoch=str(self._shift), seq=seq, ts=event.ts + self._shift
        )
        origin = self.add(stream, device, moved, event.ts)
        policy = Policies(default(), stream).of(device)
        states[stream], decisions = fold(policy, states[stream], moved)
        for decision in decisions:
            self.add(topics.NOTIFICATIONS, device, decision, event.ts, origin)
            if decision.kind in ("fired", "resolved"):
                for message in _messages(decision):
                    self._message(message, event.ts)

    def _message(self, message: Message, appended: datetime) -> None:
        self.add(message.channel, message.recipient, message, appended)
        names: dict[str, Any] = {
            "message": message.id,
            "notification": message.notification,
            "recipient": message.recipient,
            "channel": message.channel,
        }
        self.add(topics.DELIVERIES, message.recipient, Attempt(**names, ordinal=1), appended)
        sent = Sent(**names, reference=f"{message.channel}/{message.id}.txt")
        self.add(topics.DELIVERIES, message.recipient, sent, appended)


def _messages(decision: Any) -> Iterator[Message]:
    for person, channel, address in TOLD:
        yield Message(
            id=message_id(decision.id, person, channel, address),
            notification=decision.id,
            device=decision.device,
            rule=decision.rule,
            kind=decision.kind,
            severity=decision.severity,
            recipient=person,
            channel=channel,
            address=address,
            subject=f"{decision.device}: {decision.rule}",
            text=wording.text(decision),
            at=decision.at,
            useful_until=decision.at + timedelta(minutes=30),
        )


def recently() -> Mapping[TopicPartition, Sequence[Any]]:
    """Return the records of a history that ended a moment ago."""
    return Topics(NOW - at(300)).write()
