"""What Twilio's status callbacks mean, and whether Twilio sent them."""

import pytest
from twilio.request_validator import RequestValidator

from app.providers.provider import Receipt
from app.providers.twilio_answers import signed, status_of

SID = "SM" + "0" * 32


@pytest.mark.parametrize(
    "status", ["accepted", "scheduled", "queued", "sending", "sent", "receiving", "new one", ""]
)
def test_what_is_not_final_says_nothing(status: str) -> None:
    assert status_of({"MessageSid": SID, "MessageStatus": status}) is None


@pytest.mark.parametrize("status", ["delivered", "read"])
def test_it_has_arrived(status: str) -> None:
    assert status_of({"MessageSid": SID, "MessageStatus": status}) == Receipt(SID, arrived=True)


@pytest.mark.parametrize(
    ("code", "again", "dead"),
    [
        ("30001", True, False),
        ("30003", True, False),
        ("30008", True, False),
        ("30004", False, False),
        ("30007", False, False),
        ("30005", False, True),
        ("30006", False, True),
        ("21610", False, True),
        ("", False, False),
        ("rubbish", False, False),
    ],
)
def test_why_it_was_lost_says_what_to_do(code: str, again: bool, dead: bool) -> None:
    for status in ("failed", "undelivered"):
        found = status_of({"MessageSid": SID, "MessageStatus": status, "ErrorCode": code})
        assert found is not None
        assert (found.arrived, found.again, found.dead) == (False, again, dead)
        assert status in found.reason


def test_only_what_twilio_signed_is_its() -> None:
    url, fields = "https://alerts.example.com/receipts/1", {"MessageSid": SID, "To": "+15550100"}
    signature = RequestValidator("token").compute_signature(url, fields)

    assert signed(url, fields, signature, "token")
    assert not signed(url, fields, signature, "another")
    assert not signed(url, fields | {"To": "+15550101"}, signature, "token")
    assert not signed(url.replace("1", "2"), fields, signature, "token")
    assert not signed(url, fields, "", "token")
