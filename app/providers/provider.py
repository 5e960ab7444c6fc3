"""What a provider is given and what it answers: the same for email, SMS and push."""

import re
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec

from schemas.decision import Kind, Severity
from schemas.delivery import Channel

LONGEST_REASON = 300
RECEIPT_HEADER = "X-Changeover-Receipt"  # of each mail: where receipts of it go
UNREADABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One text for one address.

    id: 32 hex digits, the same when it is tried again; two texts never share one.
    thread: what it belongs to, the same for all texts of one episode.
    html: the same as ``text``, or empty. callback: where receipts of it go, or empty.
    unsubscribe: a page that stops such messages, or empty.
    useful_until: after this instant nobody is helped by it.
    tried_since: since when an earlier attempt may have taken it along; None: none did.
    """

    id: str
    channel: Channel
    address: str
    subject: str
    text: str
    html: str = ""
    thread: str
    device: str
    rule: str
    kind: Kind
    severity: Severity
    at: datetime
    useful_until: datetime
    tried_since: datetime | None = None
    callback: str = ""
    unsubscribe: str = ""


class Verdict(StrEnum):
    """What became of one text at its provider."""

    SENT = "sent"  # the provider took it
    RETRY = "retry"  # it was surely not taken, and may be tried again
    REFUSED = "refused"  # it was not taken, and will not be
    UNKNOWN = "unknown"  # it may have been taken
    DOWN = "down"  # it was not taken, nor will any other be until somebody mends the channel


class Answer(msgspec.Struct, frozen=True):
    """A provider's answer.

    reference: the text's name there, if it was sent. reason: one line that people read.
    after_s: the provider asked not to be tried again sooner.
    dead: the address is gone or wants no more; nothing is to be sent there again.
    """

    verdict: Verdict
    reference: str = ""
    reason: str = ""
    after_s: float | None = None
    dead: bool = False


class Receipt(msgspec.Struct, frozen=True):
    """What a provider says later of a text that it took. reference: the text's name there.

    arrived: it has, or it was lost. again: it may be tried again.
    dead: the address is gone or wants no more; nothing is to be sent there again.
    """

    reference: str
    arrived: bool
    reason: str = ""
    again: bool = False
    dead: bool = False


class Provider(Protocol):
    """Carries texts of one channel away.

    at_once: how many it takes in one call. calls: how many calls may run side by side.
    """

    at_once: int
    calls: int

    async def send(self, texts: Sequence[Outgoing]) -> list[Answer]:
        """Return what became of each of at most ``at_once`` texts, in order; raise nothing.

        It answers within a deadline of its own, and never tries anything twice by itself.
        """

    async def close(self) -> None:
        """Give up what it holds open."""


@runtime_checkable
class Traced(Protocol):
    """A provider that can be asked what became of a text that it took."""

    async def receipt(self, reference: str) -> Receipt | None:
        """Return what it says of the text of that name; None: nothing that is final."""


def one_line(said: str) -> str:
    """Return ``said`` as one line that can be stored and shown, or how it begins."""
    return UNREADABLE.sub(" ", said).strip()[:LONGEST_REASON]
