"""Mails that came back, as RFC 3464 and mail servers write them."""

import pytest

from app.providers.smtp_mail import written
from app.providers.smtp_server import read_server
from app.receipts.bounces import read
from tests.providers.smtp_texts import a_text

LINK = "https://alerts.example.com/receipts/dG9rZW4.bWFj"
SERVER = read_server("smtp://127.0.0.1?from=alerts@example.com&starttls=never", None)
NOTIFICATION = """\
From: MAILER-DAEMON@mail.example.net\r
To: alerts@example.com\r
Subject: Undelivered Mail Returned to Sender\r
MIME-Version: 1.0\r
Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r
\r
--b\r
Content-Type: text/plain\r
\r
I'm sorry to have to inform you.\r
\r
--b\r
Content-Type: message/delivery-status\r
\r
Reporting-MTA: dns; mail.example.net\r
\r
Final-Recipient: rfc822; ann@example.com\r
Action: {action}\r
Status: {status}\r
Diagnostic-Code: smtp; 550 5.1.1 <ann@example.com>: unknown\r
 user\r
\r
--b\r
Content-Type: {kind}\r
\r
"""


def bounced(action: str, status: str, kind: str = "message/rfc822") -> bytes:
    mail = written(a_text(callback=LINK), SERVER)
    returned = mail if kind == "message/rfc822" else mail.partition(b"\r\n\r\n")[0] + b"\r\n"
    head = NOTIFICATION.format(action=action, status=status, kind=kind)
    return head.encode() + returned + b"\r\n--b--\r\n"


@pytest.mark.parametrize("kind", ["message/rfc822", "text/rfc822-headers"])
@pytest.mark.parametrize(
    ("status", "again", "dead"),
    [
        ("5.1.1", False, True),
        ("5.1.10", False, True),
        ("5.2.2", False, False),
        ("5.1.11", False, False),
        ("4.4.1", True, False),
        ("", False, False),
    ],
)
def test_a_mail_of_ours_that_failed(kind: str, status: str, again: bool, dead: bool) -> None:
    found = read(bounced("failed", status, kind))

    assert found is not None
    link, receipt = found
    assert link == LINK
    assert (receipt.arrived, receipt.again, receipt.dead) == (False, again, dead)
    assert receipt.reason.endswith("550 5.1.1 <ann@example.com>: unknown user")


def test_a_mail_that_arrived() -> None:
    found = read(bounced("delivered", "2.0.0"))

    assert found is not None
    assert found[1].arrived


@pytest.mark.parametrize(
    "mail",
    [
        bounced("delayed", "4.4.1"),
        bounced("failed", "5.1.1").replace(b"X-Changeover-Receipt", b"X-Another"),
        written(a_text(callback=LINK), SERVER),
        b"",
        b"rubbish",
        b"Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n",
        bytes(range(256)) * 20,
    ],
)
def test_everything_else_says_nothing(mail: bytes) -> None:
    assert read(mail) is None
