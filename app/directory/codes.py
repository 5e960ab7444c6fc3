"""A code that comes back shows that an address is the person's."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from app.directory.models import ContactRow

DIGITS = 6  # as one-time passwords have (RFC 4226, 5.3)
VALID_MS = 15 * 60_000
TRIES = 5  # of a million codes: nobody guesses one
PAUSE_MS = 60_000  # between codes to one address: somebody pays for them, and somebody reads them
DAY_MS, MOST = 24 * 3_600_000, 5


def new_code(row: ContactRow, now_ms: int) -> str:
    """Return a code for the address of ``row``; one before it is worth nothing any more."""
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    row.code_hash, row.code_until_ms, row.code_tries = _hash(row, code), now_ms + VALID_MS, 0
    return code


def too_many(sent_ms: Sequence[int], now_ms: int) -> str:
    """Return why no other code is sent now to an address, or nothing. sent_ms: when others were."""
    today = [each for each in sent_ms if each > now_ms - DAY_MS]
    if len(today) >= MOST:
        return f"{MOST} codes were sent there within a day; wait until tomorrow"
    if any(each > now_ms - PAUSE_MS for each in today):
        return "a code was sent there less than a minute ago; wait a minute"
    return ""


def confirmed(row: ContactRow, code: str, now_ms: int) -> str:
    """Take ``code`` for the address of ``row``. Return why it is refused, or nothing."""
    if row.code_hash is None or row.code_until_ms is None:
        return "no code was sent; `changeover contacts verify` sends one"
    if now_ms >= row.code_until_ms:
        return "the code is too old; `changeover contacts verify` sends another"
    if row.code_tries >= TRIES:
        return "too many wrong codes; `changeover contacts verify` sends another"
    if not hmac.compare_digest(_hash(row, code.strip()), row.code_hash):
        row.code_tries += 1
        return "that is not the code that was sent"
    row.verified_ms, row.code_hash, row.code_until_ms = now_ms, None, None
    return ""


def _hash(row: ContactRow, code: str) -> str:
    # It is short-lived and its tries are counted: it only must not stand there to be read.
    text = f"{row.person_id} {row.channel} {row.address} {code}"
    return hashlib.sha256(text.encode()).hexdigest()
