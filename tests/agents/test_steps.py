"""The order of an agent's steps, and a failure at each; fakes for what is sent and stored."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agents import deciding, route, telling
from agents.deciding import Decider
from agents.people import People
from agents.route import Router
from app.directory import Snapshot
from app.rules_topic import Rules
from app.stream import apps
from app.stream.batches import Batch
from app.stream.producer import Send
from app.texts import Texts
from schemas import codec, topics
from schemas.decision import Decision
from schemas.delivery import Message
from schemas.escalation import Taken
from schemas.events import Event
from schemas.handover import Digest
from schemas.liveness import Gap
from tests.events import GRID, INVERTER, at, decided, rule, tick, transition
from tests.people import ANN_AT_HOME, snapshot
from tests.records import fetched

RULE = rule(
    'name="lost"\nstream="transitions"\nwhen={field="source",not_equals="grid"}\nfor="10s"\n'
    'clear_for="5s"\nreset="60s"'
)
ANNS = snapshot(*ANN_AT_HOME)
EVENTS = (transition(0, GRID, INVERTER), tick(20), transition(30, INVERTER, GRID), tick(50))


class Fixed(Rules):
    """Rules of which no version is ever written."""

    fresh = True


class BrokenError(Exception):
    """What a broker that went away raises."""


class World:
    """Fakes of a table and a producer; ``fails`` names the step at which the broker goes away."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.steps: list[str] = []
        self.sent: list[Send] = []
        self.states: dict[bytes, tuple[int, bytes]] = {}

    async def send_all(self, _app: Any, sends: Sequence[Send]) -> None:
        self._step("send")
        self.sent += sends

    async def store(self, _partition: int, states: Mapping[bytes, tuple[int, bytes]]) -> None:
        self._step("store")
        self.states.update(states)

    def read(self, _partition: int, key: bytes) -> tuple[int, bytes | None]:
        return self.states.get(key, (-1, None))

    def _step(self, name: str) -> None:
        if self.fails == name:
            raise BrokenError
        self.steps.append(name)

    def topics(self) -> list[str]:
        return [send.topic for send in self.sent]


def batch(*values: bytes | None, topic: str = topics.TRANSITIONS, first: int = 0) -> Batch:
    records = [
        fetched(b"home", value, offset, int(at(60).timestamp() * 1_000))
        for offset, value in enumerate(values, first)
    ]
    return Batch(topic, 2, records)


def encoded(*events: Event) -> list[bytes]:
    numbered = (msgspec.structs.replace(event, seq=n) for n, event in enumerate(events, 1))
    return [codec.encode(event) for event in numbered]


def decider(world: World, monkeypatch: pytest.MonkeyPatch) -> Decider:
    monkeypatch.setattr(deciding, "send_all", world.send_all)
    monkeypatch.setattr(apps, "rules", Fixed("nowhere", (RULE,), lambda: 0.0))
    table: Any = world
    return Decider(table, topics.TRANSITIONS)


def test_decisions_are_sent_before_states_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    asyncio.run(decider(world, monkeypatch)(batch(*encoded(*EVENTS))))

    assert world.steps == ["send", "store"]
    assert [send.value for send in world.sent] == [
        codec.encode(each) for each in decided((RULE,), "transitions", *EVENTS)
    ]
    assert {send.partition for send in world.sent} == {2}


@pytest.mark.parametrize("step", ["send", "store"])
def test_a_batch_that_failed_is_decided_again_alike(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(step)
    decide = decider(world, monkeypatch)
    with pytest.raises(BrokenError):
        asyncio.run(decide(batch(*encoded(*EVENTS))))
    assert world.states == {}
    first, world.sent, world.fails = world.sent, [], ""
    asyncio.run(decide(batch(*encoded(*EVENTS))))

    assert first in ([], world.sent)
    assert len(world.sent) == 2


def test_a_redelivered_batch_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    decide = decider(world, monkeypatch)
    for _ in range(2):
        asyncio.run(decide(batch(*encoded(*EVENTS))))

    assert len(world.sent) == 2


def test_a_record_that_cannot_be_used_is_parked_and_the_rest_decided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    values = [b"rubbish", None, *encoded(*EVENTS)]
    asyncio.run(decider(world, monkeypatch)(batch(*values)))

    assert world.topics() == [topics.MALFORMED] * 2 + [topics.NOTIFICATIONS] * 2


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"\1" * 1_000_000, b"{}"),  # seven times as long when it is escaped
        (b"home", b'{"type":"' + b"a" * 4_000_000 + b'"}'),  # the reason repeats it
        (b"home", encoded(transition(0, GRID, INVERTER))[0].replace(
            b'"due":[]', b'"due":[' + b'"grid",' * 500_000 + b'"grid"]')),
    ],
)  # fmt: skip
def test_whatever_one_record_holds_is_parked_in_a_record(
    key: bytes, value: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    large = fetched(key, value, 0)
    asyncio.run(decider(world, monkeypatch)(Batch(topics.TRANSITIONS, 2, [large])))

    (send,) = world.sent
    assert send.topic == topics.MALFORMED
    assert len(send.key or b"") + len(send.value) < topics.LARGEST_RECORD


def test_a_gap_is_on_liveness_before_the_state_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    values = encoded(*EVENTS)
    asyncio.run(decider(world, monkeypatch)(batch(values[0], *values[2:])))
    gap = codec.decode(codec.any_record, world.sent[0].value)

    assert world.steps == ["send", "store"]
    assert world.topics() == [topics.LIVENESS, *[topics.NOTIFICATIONS] * 2]
    assert isinstance(gap, Gap)
    assert (gap.stream, gap.seq, gap.missing) == ("transitions", 3, 1)
    assert dict(world.sent[0].headers)["origin"] == b"transitions:2:1"


def test_a_time_that_cannot_be_is_parked(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    year_9999 = encoded(tick(0))[0].replace(b"2026", b"9999")
    asyncio.run(decider(world, monkeypatch)(batch(year_9999, *encoded(*EVENTS))))

    assert world.topics() == [topics.MALFORMED] + [topics.NOTIFICATIONS] * 2
    assert b"not between 1970 and 2999" in world.sent[0].value


def test_a_state_of_ours_that_cannot_be_read_parks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.states[b"home"] = (-1, b"[3]")
    with pytest.raises(msgspec.ValidationError):
        asyncio.run(decider(world, monkeypatch)(batch(*encoded(*EVENTS))))

    assert world.steps == []


class Listed(People):
    """A directory in which Ann owns the home; down while ``down``."""

    down = False

    def __init__(self, listed: Snapshot = ANNS) -> None:
        super().__init__("")
        self.listed = listed

    async def snapshot(self) -> Snapshot:
        if self.down:
            raise BrokenError
        return self.listed


def router(world: World, people: Listed, monkeypatch: pytest.MonkeyPatch) -> Router:
    monkeypatch.setattr(route, "send_all", world.send_all)
    monkeypatch.setattr(route, "recipients", world)
    monkeypatch.setattr(apps, "rules", Fixed("nowhere", (RULE,), lambda: 0.0))
    return Router(people)


def told() -> Batch:
    """Return the notifications of the history, each written twice by a worker that was killed."""
    values = [codec.encode(each) for each in decided((RULE,), "transitions", *EVENTS)]
    return batch(*values, *values, topic=topics.NOTIFICATIONS)


def test_copies_in_one_batch_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    asyncio.run(router(world, Listed(), monkeypatch)(told()))

    assert world.steps == ["store", "send", "store"]
    assert world.topics() == [topics.SMS] * 2


def test_who_was_listed_is_told_after_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World("send")
    people = Listed()
    routed = router(world, people, monkeypatch)
    with pytest.raises(BrokenError):
        asyncio.run(routed(told()))
    world.fails = ""
    people.listed = Snapshot(2)
    asyncio.run(routed(told()))
    asyncio.run(routed(told()))

    assert world.topics() == [topics.SMS] * 2


def test_that_somebody_took_note_is_said_after_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    routed = router(world, Listed(), monkeypatch)
    fired = decided((RULE,), "transitions", *EVENTS)[0]
    taken = Taken(id="t", device="home", rule="lost", episode=fired.episode, by="bob")
    note = batch(codec.encode(taken), topic=topics.NOTIFICATIONS, first=1)
    asyncio.run(routed(batch(codec.encode(fired), topic=topics.NOTIFICATIONS)))
    world.fails = "send"
    with pytest.raises(BrokenError):
        asyncio.run(routed(note))
    world.fails = ""
    for _ in range(2):
        asyncio.run(routed(note))

    assert world.topics() == [topics.SMS, topics.DELIVERIES]


def test_a_directory_that_is_down_loses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    world, people = World(), Listed()
    people.down = True
    routed = router(world, people, monkeypatch)
    with pytest.raises(BrokenError):
        asyncio.run(routed(told()))
    people.down = False
    asyncio.run(routed(told()))

    assert world.topics() == [topics.SMS] * 2


@pytest.mark.parametrize("ours", [True, False])
def test_a_template_that_fails_keeps_nobody_from_being_told(
    ours: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sms", "over"):
        (tmp_path / "en").mkdir(exist_ok=True)
        (tmp_path / "en" / f"{name}.j2").write_text("{{ cause.source / 1000 }}{{ count / 0 }}")
    monkeypatch.setattr(telling, "texts", Texts(tmp_path, Texts() if ours else None))
    fired, resolved = decided((RULE,), "transitions", *EVENTS)
    both = Digest(
        id="d", device="home", stream="transitions", decisions=(fired, resolved), unlisted=0
    )
    said = [_said(fired, monkeypatch), _said(both, monkeypatch)]

    assert [len(each) for each in said] == [1, 1]
    assert ("source inverter), since 2026" in said[0][0].text) is not ours
    assert all(each.subject and each.short and each.text for (each,) in said)


def _said(notification: Decision | Digest, monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """Return the messages that tell of ``notification`` to Ann, who was told that it began."""
    world = World()
    routed = router(world, Listed(), monkeypatch)
    asyncio.run(routed(batch(codec.encode(notification), topic=topics.NOTIFICATIONS)))
    return [codec.message.decode(each.value) for each in world.sent]
