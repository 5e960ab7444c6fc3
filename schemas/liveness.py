"""What the servers noticed about a device. Topic ``liveness``, keyed by device.

The time of these records is the broker's append time.
"""

from schemas.events import Ordinal
from schemas.record import Count, Instant, Name, Record, derived_id


class LivenessRecord(Record, frozen=True, kw_only=True):
    """heard: the append time of the last record that was heard of the device."""

    device: Name
    heard: Instant


class Silent(LivenessRecord, frozen=True, kw_only=True, tag="silent"):
    """Nothing was heard for too long, on any of its streams."""


class Heard(LivenessRecord, frozen=True, kw_only=True, tag="heard"):
    """It was silent, and is heard again."""


class LivenessTick(LivenessRecord, frozen=True, kw_only=True, tag="liveness_tick"):
    """Nothing changed, and a deadline has come."""


class Gap(Record, frozen=True, kw_only=True, tag="gap"):
    """A stream lost records: a number was left out, or the device's spool was rolled back.

    id: 32 hex digits derived from device, stream, epoch and seq: written again, it is the same.
    epoch, seq: of the record that revealed it.
    offset: where on ``stream`` that record lies, in the device's partition.
    missing: how many were left out before it.
    rolled_back: numbers are used anew, so how many were lost is not known.
    """

    id: Name
    device: Name
    stream: Name
    epoch: Name
    seq: Ordinal
    offset: Count | None = None
    missing: Count
    rolled_back: bool


LivenessEvent = Silent | Heard | LivenessTick | Gap


def gap_id(device: str, stream: str, epoch: str, seq: int) -> str:
    """Return 32 hex digits that name a gap, the same whoever notices it."""
    return derived_id(device, stream, epoch, str(seq))
