"""A code that comes back shows that an address is the person's."""

import hashlib
import hmac
import secrets

from app.directory.models import ContactRow

DIGITS = 6  # as one-time passwords have (RFC 4226, 5.3)
VALID_MS = 15 * 60_000
TRIES = 5  # of a million codes: nobody guesses one


def new_code(row: ContactRow, now_ms: int) -> str:
    """Return a code for the address of ``row``; one before it is worth nothing any more."""
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    row.code_hash, row.code_until_ms, row.code_tries = _hash(row, code), now_ms + VALID_MS, 0
    return code


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
