"""Whom route tells when nobody answers, by the roles of a directory."""

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest
from structlog.testing import capture_logs

from app.directory import Device
from schemas import codec, topics
from schemas.escalation import Unanswered
from tests.agents.test_steps import EVENTS, RULE, Listed, World, batch, router
from tests.events import decided
from tests.people import snapshot, somebody

FIRED = decided((RULE,), "transitions", *EVENTS)[0]
HOUSE = snapshot(
    *somebody("ann", sms="+15550100"),
    *somebody("wes", email="wes@example.com"),
    *somebody("op", sms="+15550999"),
    Device(device="home", owners=("ann",), watchers=("wes",), operators=("op",)),
)


def test_what_cannot_be_routed_is_parked_once_and_the_rest_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    routed = router(world, Listed(HOUSE), monkeypatch)
    never = msgspec.structs.replace(FIRED, id="n", at=datetime.max.replace(tzinfo=UTC))
    said = batch(codec.encode(never), codec.encode(FIRED), topic=topics.NOTIFICATIONS)
    for _ in range(2):
        asyncio.run(routed(said))

    assert world.topics() == [topics.MALFORMED, topics.SMS, topics.EMAIL]
    assert b"could not be routed: OverflowError" in world.sent[0].value


def unreached(person: str) -> Unanswered:
    return Unanswered(
        id=f"u {person}", device="home", rule="lost", episode=FIRED.episode, notification=FIRED.id,
        recipient=person, reached=False, reason="550 refused",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("people", "told", "alarms"),
    [
        (["wes"], [b"ann", b"wes"], []),
        (["ann"], [b"ann", b"wes", b"op"], []),
        (["wes", "ann", "op"], [b"ann", b"wes", b"op"], ["nobody_left_to_tell"]),
    ],
)
def test_an_operator_is_told_where_no_owner_could_be(
    people: list[str], told: list[bytes], alarms: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    said = [FIRED, *(unreached(each) for each in people)]
    with capture_logs() as logs:
        asyncio.run(
            router(world, Listed(HOUSE), monkeypatch)(
                batch(*(codec.encode(each) for each in said), topic=topics.NOTIFICATIONS)
            )
        )

    assert [each.key for each in world.sent] == told
    assert [each["event"] for each in logs] == alarms
