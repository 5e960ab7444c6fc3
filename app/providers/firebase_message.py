"""A text as FCM is given it: the same try has the same collapse key, on every kind of device."""

from base64 import urlsafe_b64encode
from datetime import datetime, timedelta

from firebase_admin import messaging

from app.providers.provider import Outgoing
from schemas.decision import Severity

FID = "fid:"  # before an installation's id; without it, it is a registration token
LONGEST_TTL = timedelta(days=28)  # FCM, AndroidConfig.ttl: "maximum time to live is 4 weeks"
NOW, WHEN_CONVENIENT = "10", "5"  # APNs, apns-priority
URGENT, NORMAL = "high", "normal"  # RFC 8030, 5.3


def written(text: Outgoing, now: datetime) -> messaging.Message:
    """Return ``text`` as it is sent ``now``."""
    ttl = min(max(text.useful_until - now, timedelta()), LONGEST_TTL)
    urgent = text.severity is not Severity.INFO
    message = messaging.Message(
        notification=messaging.Notification(title=text.subject, body=text.text),
        data={
            "id": text.id,
            "thread": text.thread,
            "device": text.device,
            "rule": text.rule,
            "kind": text.kind.value,
            "severity": text.severity.value,
            "at": text.at.isoformat(),
        },
        android=messaging.AndroidConfig(
            collapse_key=text.id, ttl=ttl, priority="high" if urgent else "normal"
        ),
        apns=messaging.APNSConfig(
            headers={
                "apns-collapse-id": text.id,  # at most 64 bytes
                "apns-expiration": str(round((now + ttl).timestamp())),
                "apns-priority": NOW if urgent else WHEN_CONVENIENT,
            },
            payload=messaging.APNSPayload(messaging.Aps(thread_id=text.thread, sound="default")),
        ),
        webpush=messaging.WebpushConfig(
            headers={
                "TTL": str(int(ttl.total_seconds())),
                "Urgency": URGENT if urgent else NORMAL,
                "Topic": urlsafe_b64encode(bytes.fromhex(text.id)).decode().rstrip("="),
            }
        ),
    )
    if text.address.startswith(FID):
        message.fid = text.address.removeprefix(FID)
    else:
        message.token = text.address  # given to its constructor, it would warn
    return message
