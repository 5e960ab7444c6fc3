"""What FCM's replies, or the lack of one, mean for a text. Pure.

https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode
"""

from typing import Any

import aiohttp
import httpx
from firebase_admin import exceptions, messaging

from app.providers.given import read_seconds
from app.providers.provider import Answer, Verdict, one_line

QUOTA_S = 60.0  # "minimum initial delay": QUOTA_EXCEEDED, for what sends no Retry-After
FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD, TIMED_OUT, BROKEN = 400, 408, 500
# The first that fits: the SDK's classes of FCM's own codes are special cases of Google's.
KINDS = (
    (messaging.UnregisteredError, Verdict.REFUSED),
    (messaging.SenderIdMismatchError, Verdict.REFUSED),  # it registered with another project
    (exceptions.InvalidArgumentError, Verdict.REFUSED),
    (exceptions.UnauthenticatedError, Verdict.DOWN),
    (exceptions.PermissionDeniedError, Verdict.DOWN),
    (exceptions.NotFoundError, Verdict.DOWN),  # there is no such project
    (exceptions.ResourceExhaustedError, Verdict.RETRY),
    (exceptions.UnavailableError, Verdict.RETRY),
)


def became(response: Any) -> Answer:
    """Return what became of the text that ``response``, a messaging.SendResponse, is about."""
    if response.exception is not None:
        return failed(response.exception)
    if not response.message_id:
        return Answer(Verdict.UNKNOWN, reason="FCM did not name the text")
    return Answer(Verdict.SENT, reference=response.message_id)


def failed(error: exceptions.FirebaseError) -> Answer:
    """Return what it means that the SDK raised ``error``."""
    reply = error.http_response
    if reply is None:
        return _unanswered(error.cause)
    reason = one_line(f"{reply.status_code} {error}")
    verdict = next((verdict for kind, verdict in KINDS if isinstance(error, kind)), None)
    if verdict is None:
        known = BAD <= reply.status_code < BROKEN and reply.status_code != TIMED_OUT
        verdict = Verdict.REFUSED if known else Verdict.UNKNOWN
    after_s = read_seconds(reply.headers.get("Retry-After", ""))
    if isinstance(error, exceptions.ResourceExhaustedError):
        after_s = after_s or QUOTA_S
    return Answer(verdict, reason=reason, after_s=after_s, dead=_dead(error, reply))


def _dead(error: exceptions.FirebaseError, reply: httpx.Response) -> bool:
    gone = (messaging.UnregisteredError, messaging.SenderIdMismatchError)
    return isinstance(error, gone) or (
        isinstance(error, exceptions.InvalidArgumentError) and _of_address(reply)
    )


def _of_address(reply: httpx.Response) -> bool:
    """Return whether the address is wrong; without an FcmError it is what we sent that is."""
    return FCM_ERROR in reply.text  # whatever else a proxy may have made of it


def _unanswered(cause: Exception | None) -> Answer:
    reason = one_line(f"{type(cause).__name__}: {cause}")
    if not isinstance(cause, httpx.ConnectError):
        return Answer(Verdict.UNKNOWN, reason=f"{reason}; it may have been sent")
    if isinstance(cause.__cause__, aiohttp.ClientSSLError):
        return Answer(Verdict.DOWN, reason=one_line(f"no TLS with FCM: {cause}"))
    return Answer(Verdict.RETRY, reason=reason)
