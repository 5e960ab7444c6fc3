"""What Twilio's replies and receipts mean for a text. Pure.

Decided by the HTTP status first and by Twilio's code second: the codes change (its changelog of
2024-07-10 splits 21211). https://www.twilio.com/docs/api/errors lists them.
"""

from collections.abc import Mapping

from twilio.request_validator import RequestValidator

from app.providers.provider import Answer, Receipt, Verdict, one_line

BUSY = frozenset({14107, 20429, 21611})  # too many requests; a number's queue is full
# Credentials, a sender that is not ours, a service without one: nothing goes out with them.
OURS = frozenset({20003, 20404, 21212, 21603, 21606, 21659, 21701, 21703, 21705})
OPTED_OUT = 21610
NO_NUMBER = frozenset({21211, 21217, 21614})  # no number, or none that takes texts
TOO_MANY, UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 429, 401, 403, 404
OK, BAD, TIMED_OUT, BROKEN = 200, 400, 408, 500

# Of receipts: the queue was full or the carrier busy, the phone off, nobody knows why.
AGAIN = frozenset({30001, 30003, 30008})
GONE = frozenset({30005, 30006})  # unknown number; a landline: "do not retry"
ARRIVED = frozenset({"delivered", "read"})
LOST = frozenset({"failed", "undelivered", "canceled"})


def refused(status: int, code: int | None, message: str, after_s: float | None) -> Answer:
    """Return what it means that Twilio answered with an error.

    code: Twilio's own, if it named one. after_s: what it says of when to try again.
    """
    reason = one_line(f"{status} {code or ''} {message}")
    if status == TOO_MANY or code in BUSY:  # surely not processed: /docs/api/errors/20429
        return Answer(Verdict.RETRY, reason=reason, after_s=after_s)
    if status in {UNAUTHORIZED, FORBIDDEN, NOT_FOUND} or code in OURS:
        return Answer(Verdict.DOWN, reason=reason)
    if BAD <= status < BROKEN and status != TIMED_OUT:  # by then it may have gone further
        return Answer(Verdict.REFUSED, reason=reason, dead=code == OPTED_OUT or code in NO_NUMBER)
    return Answer(Verdict.UNKNOWN, reason=reason, after_s=after_s)


def status_of(fields: Mapping[str, str]) -> Receipt | None:
    """Return what a status callback says; None: nothing that is final.

    fields: ``MessageSid``, ``MessageStatus`` and perhaps ``ErrorCode``, as in
    https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
    """
    status, reference = fields.get("MessageStatus", ""), fields.get("MessageSid", "")
    if status in ARRIVED:
        return Receipt(reference, arrived=True)
    if status not in LOST:
        return None
    said = fields.get("ErrorCode", "")
    code = int(said) if said.isdecimal() else 0
    return Receipt(
        reference,
        arrived=False,
        reason=f"Twilio: {status}" + (f", error {code}" if code else ""),
        again=code in AGAIN,
        dead=code in GONE or code == OPTED_OUT,
    )


def signed(url: str, fields: Mapping[str, str], signature: str, token: str) -> bool:
    """Return whether Twilio signed the form ``fields`` that came to ``url``.

    token: the account's auth token. https://www.twilio.com/docs/usage/webhooks/webhooks-security
    """
    return bool(RequestValidator(token).validate(url, dict(fields), signature))
