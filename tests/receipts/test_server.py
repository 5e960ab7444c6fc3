"""Receipts over HTTP: what is believed, what is refused, and what comes of it."""

import asyncio
from typing import Any

import msgspec
import pytest
from fastapi import HTTPException
from fastapi.testclient import TestClient
from twilio.request_validator import RequestValidator

from app.receipts import server
from app.receipts.server import LATEST_MS, Receipts
from schemas.delivery import Channel, Delivered, Delivery, Failed
from tests.receipts.test_bounces import LINK, bounced
from tests.receipts.test_links import ABOUT, OURS, token

NOW_MS = ABOUT.useful_ms
SID = "SM" + "0" * 32
NAMED: dict[str, Any] = {
    "message": ABOUT.message,
    "notification": ABOUT.notification,
    "recipient": "ann",
    "channel": Channel.SMS,
    "attempt": ABOUT.attempt,
}
FRESH = msgspec.structs.replace(ABOUT, useful_ms=4 * 10**12)


class World:
    """A server, and what it wrote and suppressed."""

    def __init__(self, signs_with: str | None = "token") -> None:
        self.written: list[tuple[str, Delivery]] = []
        self.suppressed: list[tuple[str, str]] = []
        self.down = False
        self.client = TestClient(
            server.create(OURS, self.write, self.suppress, signs_with),
            base_url="http://127.0.0.1",
            raise_server_exceptions=False,
        )

    async def write(self, recipient: str, record: Delivery) -> None:
        if self.down:
            raise OSError
        self.written.append((recipient, record))

    def suppress(self, channel: Channel, address: str, reason: str, at_ms: int) -> bool:
        self.suppressed.append((channel.value, address))
        return True

    def post(self, status: str, link: str = "", signature: str | None = None, **more: str) -> int:
        """Return the status of what Twilio would be answered."""
        link = link or OURS.receipt(FRESH)
        fields = {"MessageSid": SID, "MessageStatus": status, **more}
        signed = RequestValidator("token").compute_signature(link, fields)
        headers = {"X-Twilio-Signature": signed if signature is None else signature}
        path = link.removeprefix("https://alerts.example.com")
        return self.client.post(path, data=fields, headers=headers).status_code


def test_a_receipt_becomes_a_record_of_its_try() -> None:
    world = World()

    assert world.post("sent") == world.post("delivered") == 204
    assert world.written == [("ann", Delivered(**NAMED, reference=SID))]


def test_a_loss_says_whether_it_may_be_tried_again() -> None:
    world = World()
    assert world.post("undelivered", ErrorCode="30005") == 204

    reason = "Twilio: undelivered, error 30005"
    assert world.written == [("ann", Failed(**NAMED, reason=reason, dead=True))]
    assert world.suppressed == [("sms", "+15550100")]


def test_a_replay_is_refused_and_another_end_is_not() -> None:
    world = World()

    assert [world.post("failed"), world.post("failed"), world.post("delivered")] == [204, 409, 204]
    assert len(world.written) == 2


def test_what_could_not_be_written_may_be_said_again() -> None:
    world = World()
    world.down = True
    assert world.post("delivered") == 500
    world.down = False

    assert world.post("delivered") == 204
    assert len(world.written) == 1


def test_nobody_else_is_believed() -> None:
    world = World()
    forged = OURS.receipt(FRESH)[:-2] + "xx"

    assert world.post("delivered", signature="") == 403
    assert world.post("delivered", signature="forged") == 403
    assert world.post("delivered", link=forged) == 404
    assert World(None).post("delivered", signature="") == 204  # an API key: our MAC alone
    assert World(None).post("delivered", link=forged, signature="") == 404
    assert world.written == []


@pytest.mark.parametrize(("late_ms", "status"), [(0, 0), (1, 410)])
def test_what_comes_days_later_is_refused(late_ms: int, status: int) -> None:
    world = World()
    receipts = Receipts(
        OURS, world.write, world.suppress, lambda: (NOW_MS + LATEST_MS + late_ms) / 1_000
    )
    refused = 0
    try:
        asyncio.run(receipts.take(token(OURS.receipt(ABOUT)), Channel.SMS, None))
    except HTTPException as error:
        refused = error.status_code

    assert refused == status


def test_a_mail_that_came_back_is_a_receipt_too() -> None:
    world = World()
    about = msgspec.structs.replace(FRESH, channel=Channel.EMAIL)
    mail = bounced("failed", "5.1.1").replace(LINK.encode(), OURS.receipt(about).encode())

    assert world.client.post("/bounces", content=mail).status_code == 204
    ((_, record),) = world.written
    assert isinstance(record, Failed)
    assert record.dead
    assert world.client.post("/bounces", content=mail).status_code == 409
    of_a_text = bounced("failed", "5.1.1").replace(LINK.encode(), OURS.receipt(FRESH).encode())
    assert world.client.post("/bounces", content=of_a_text).status_code == 404
    assert world.client.post("/bounces", content=b"rubbish").status_code == 422
    assert world.client.post("/bounces", content=bounced("failed", "5.1.1")).status_code == 404
    assert world.client.post("/bounces", content=b"x" * 1_000_001).status_code == 413


def test_who_wants_no_emails_asks_once_and_a_look_alone_stops_nothing() -> None:
    world = World()
    path = OURS.unsubscribe("ann@example.com").removeprefix("https://alerts.example.com")

    page = world.client.get(path)
    assert page.status_code == 200
    assert "Stop emails" in page.text
    assert world.suppressed == []
    one_click = world.client.post(path, data={"List-Unsubscribe": "One-Click"})
    assert one_click.status_code == 200
    assert world.suppressed == [("email", "ann@example.com")]
    assert world.client.get(path[:-2] + "xx").status_code == 404
