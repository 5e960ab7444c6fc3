"""What a comparison finds when a table lacks what its group has committed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiokafka.structs import ConsumerRecord

from app import kafka, rebuild
from app.rebuild import Difference, Posted, Stored
from app.replay import Replay
from schemas import codec, topics
from schemas.delivery import Attempt, Channel, OutboxTick, Queued, attempt_id
from schemas.events import Event
from tables import entries, outbox
from tables.entries import Entry
from tables.intake import take
from tables.outbox_state import Outbox
from tables.rulebook import Rulebook
from tables.rules import default
from tests.events import GRID, INVERTER, tick, transition
from tests.tables.outboxes import DAWN, NOTHING, message, ms

SOURCE, KEY = topics.TRANSITIONS, b"home"
LOGGED: list[Event] = [transition(0, GRID, INVERTER), tick(5), tick(10)]
EVENTS = [msgspec.structs.replace(event, seq=seq) for seq, event in enumerate(LOGGED, 1)]


def state(count: int) -> bytes:
    book, entry = Rulebook(SOURCE, default()), Entry()
    for event in EVENTS[:count]:
        entry, _ = take(book, entry, event, 0)
    return entries.written(entry)


def verified(
    held: dict[tuple[str, bytes], Stored], committed: int, monkeypatch: pytest.MonkeyPatch
) -> list[Difference]:
    """Return what differs between ``held`` and the three events, of which some are committed."""

    async def answer(value: Any) -> Any:
        return value

    async def recorded(*_: object) -> AsyncIterator[Any]:
        for offset, event in enumerate(EVENTS):
            value = codec.encode(event)
            yield ConsumerRecord(SOURCE, 0, offset, 0, 1, KEY, value, None, 0, 0, ())

    monkeypatch.setattr(kafka, "committed", lambda *_: answer({(SOURCE, 0): committed}))
    monkeypatch.setattr(kafka, "end_offsets", lambda *_: answer({}))
    monkeypatch.setattr(rebuild, "stored", lambda *_: answer(held))
    replay = Replay({SOURCE: Rulebook(SOURCE, default())})
    monkeypatch.setattr(rebuild, "begin", lambda *_: answer(replay))
    monkeypatch.setattr(rebuild, "recorded", recorded)
    return asyncio.run(rebuild.verify("nowhere", (), lambda *_: None)).differences


@pytest.mark.parametrize(("folded", "committed"), [(3, 3), (2, 2), (2, 1), (3, 0)])
def test_a_table_may_be_ahead_of_what_is_committed(
    folded: int, committed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {(SOURCE, KEY): Stored(folded - 1, state(folded))}

    assert verified(held, committed, monkeypatch) == []


def test_a_state_that_is_missing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    (missing,) = verified({}, 3, monkeypatch)

    assert (missing.stored, missing.rebuilt["seq"]) == (None, 3)


def test_a_state_behind_what_is_committed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    (behind,) = verified({(SOURCE, KEY): Stored(0, state(1))}, 3, monkeypatch)

    assert (behind.stored["seq"], behind.rebuilt["seq"]) == (1, 3)


def test_an_outbox_is_folded_anew_from_what_became_of_its_messages() -> None:
    posted = Posted()
    records: list[Any] = [
        Queued(message=message(1), terms=NOTHING),
        OutboxTick(),
        b"{",
        Attempt(
            message=message(1).id,
            notification="n1",
            recipient="ann",
            channel=Channel.SMS,
            attempt=attempt_id((message(1).id,), 1),
            ordinal=1,
        ),
    ]
    state = Outbox()
    for offset, event in enumerate(records):
        value = event if isinstance(event, bytes) else codec.encode(event)
        stamp = ms(DAWN) + offset
        record = ConsumerRecord(
            topics.DELIVERIES, 0, offset, stamp, 1, b"ann", value, None, 0, 0, ()
        )
        posted.take(record)
        if not isinstance(event, bytes):
            state, _ = outbox.take(state, event, stamp)

    assert posted.states == {(topics.DELIVERIES, b"ann"): state}
    assert state.contacts["sms +15550100"].flying is not None
