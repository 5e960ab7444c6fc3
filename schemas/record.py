"""What all records on topics have in common."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec

EPOCH = EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(3000, 1, 1, tzinfo=UTC)  # sums with any duration of a rule still are instants
MICROSECOND = timedelta(microseconds=1)

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
MOST = 2**40  # of anything that is counted: more than a record a millisecond for 30 years
Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", gc=False):
    """A typed, versioned value: ``{"type": "transition", "v": 1, …}``.

    v: a Literal, so that a version from the future is malformed.
    """

    v: Literal[1] = 1


class OutOfRangeError(ValueError):
    """A time that cannot be."""


def check_instant(instant: datetime) -> None:
    """Return if ``instant`` can be.

    Raises:
        OutOfRangeError: it is before 1970 or after 2999.
    """
    if not EARLIEST <= instant < LATEST:
        raise OutOfRangeError(f"{instant.isoformat()} is not between 1970 and 2999")


def microseconds(instant: datetime) -> int:
    """Return the whole microseconds from 1970-01-01T00:00:00Z to ``instant``."""
    return (instant - EPOCH) // MICROSECOND


def instant(milliseconds: int) -> datetime:
    """Return the instant so many milliseconds after 1970 began, as Kafka stamps records."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def derived_id(*parts: str) -> str:
    """Return 32 hex digits that name what ``parts`` describe, the same wherever it is derived."""
    return hashlib.sha256("\x1f".join(parts).encode()).digest()[:16].hex()
