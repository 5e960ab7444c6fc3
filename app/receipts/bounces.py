"""Mails that came back: what a delivery status notification says (RFC 3464)."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage, Message

from app.providers.provider import RECEIPT_HEADER, Receipt, one_line

GONE = re.compile(r"5\.1\.(1|3|6|10)\b")  # RFC 3463, 3.2: there is no such mailbox
PASSES = re.compile(r"4\.\d{1,3}\.\d{1,3}")


def read(mail: bytes) -> tuple[str, Receipt] | None:
    """Return where receipts of the mail go that ``mail`` is about, and what became of it.

    None: it is no delivery status notification, or of no mail of ours, or says nothing final.
    """
    bounced = message_from_bytes(mail, policy=policy.default)
    parts = list(bounced.walk())
    about = next((link for part in parts if (link := _link(part))), "")
    fields = next((found for part in parts if (found := _fields(part))), {})
    action, status = fields.get("action", "").lower(), fields.get("status", "")
    if not about or action not in {"failed", "delivered"}:
        return None
    said = one_line(f"the mail came back: {status} {fields.get('diagnostic-code', '')}")
    if action == "delivered":
        return about, Receipt("", arrived=True)
    again = PASSES.match(status) is not None
    dead = GONE.match(status) is not None
    return about, Receipt("", arrived=False, reason=said, again=again, dead=dead)


def _fields(part: Message) -> dict[str, str]:
    """Return the fields of the first recipient in a message/delivery-status, by small names."""
    if part.get_content_type() != "message/delivery-status":
        return {}
    blocks = part.get_payload()
    found: dict[str, str] = {}
    for block in blocks if isinstance(blocks, list) else []:
        for name, value in block.items() if isinstance(block, Message) else []:
            found.setdefault(name.lower(), str(value).strip())
    return found


def _link(part: Message) -> str:
    """Return our header in ``part``, if that is a mail of ours or the head of one."""
    if part.get_content_type() == "text/rfc822-headers":
        payload = part.get_payload(decode=True)
        head = message_from_bytes(payload if isinstance(payload, bytes) else b"")
        return str(head.get(RECEIPT_HEADER, "")).strip()
    return str(part.get(RECEIPT_HEADER, "")).strip() if isinstance(part, EmailMessage) else ""
