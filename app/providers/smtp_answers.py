"""What a server's reply, or the lack of one, means for a text. Pure."""

import re
import ssl
from enum import StrEnum

from aiosmtplib import SMTPConnectError, SMTPTimeoutError

from app.providers.provider import Answer, Verdict, one_line

ENHANCED = re.compile(r"5\.\d{1,3}\.\d{1,3}(?!\S)")  # RFC 3463, 2
# The mailbox is not there, its name cannot be one, it moved, its domain takes no mail: RFC 3463,
# 3.2 and RFC 7505, 4.2. The codes from 5.1.7 on that are not here speak of the sender.
GONE = frozenset({"5.1.1", "5.1.3", "5.1.6", "5.1.10"})
NOT_GONE_HERE = frozenset({551, 553})  # RFC 5321, 4.2.3: not local; mailbox name not allowed
DONE, GO_ON, LATER, NEVER = 2, 3, 4, 5  # first digits: RFC 5321, 4.2.1
AUTHENTICATE = frozenset({530, 534, 535, 538})  # RFC 4954, 6: sign in, or in another way, first


class Step(StrEnum):
    """Where a conversation with a server stands."""

    CONNECT = "connecting"
    GREETING = "greeting"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    END = "end of the mail"


OPENING = frozenset({Step.CONNECT, Step.GREETING, Step.EHLO, Step.STARTTLS, Step.AUTH})


def replied(step: Step, code: int, message: str) -> Answer | None:
    """Return what a reply means for the text, or None if it is the one that was wanted.

    Decided by the first digit of ``code``, as RFC 5321, 4.3.2 wants it.
    """
    reason, kind = one_line(f"{step}: {code} {message}"), code // 100
    if kind == (GO_ON if step is Step.DATA else DONE):
        return None
    if kind == LATER:
        return Answer(Verdict.RETRY, reason=reason)
    if kind == NEVER and (step in OPENING or code in AUTHENTICATE):
        return Answer(Verdict.DOWN, reason=reason)
    if kind == NEVER:
        dead = step is Step.RCPT and _is_gone(code, message)
        return Answer(Verdict.REFUSED, reason=reason, dead=dead)
    return Answer(Verdict.UNKNOWN if step is Step.END else Verdict.RETRY, reason=reason)


def _is_gone(code: int, message: str) -> bool:
    # Servers that check the sender late say at RCPT that it is not allowed: 553 5.7.1. Only where
    # no enhanced code says what was meant do 551 and 553 speak of the mailbox.
    if enhanced := ENHANCED.match(message):
        return enhanced[0] in GONE
    return code in NOT_GONE_HERE


def broke(step: Step, error: Exception) -> Answer:
    """Return what it means for the text that the conversation ended in ``error`` at ``step``."""
    cause = error.__cause__ if isinstance(error, SMTPConnectError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return down(f"the server's certificate is wrong: {cause.verify_message}")
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
        return down(f"no TLS with the server: {cause.reason or cause}")
    silent = isinstance(error, SMTPTimeoutError | TimeoutError)
    what = "no answer in time" if silent else _told(cause or error)
    if step is Step.END:
        return Answer(Verdict.UNKNOWN, reason=one_line(f"{step}: {what}; it may have arrived"))
    return Answer(Verdict.RETRY, reason=one_line(f"{step}: {what}"))


def _told(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or getattr(error, "message", None) or error)


def down(reason: str) -> Answer:
    """Return that nothing goes through this server until somebody mends it."""
    return Answer(Verdict.DOWN, reason=one_line(reason))
