"""When one address may be sent something: caps, grouping, quiet hours, retries. Pure.

Instants are milliseconds after 1970 began, as Kafka stamps records.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.delivery import Channel, Quiet
from schemas.record import instant

DAY = timedelta(days=1)
# How many texts may leave within how many milliseconds (design §10).
CAPS = {
    Channel.SMS: ((1, 60_000), (5, 900_000), (11, 3_600_000), (21, 10_800_000)),
}
LONGEST_MS = max(within_ms for caps in CAPS.values() for _, within_ms in caps)
MOST_REMEMBERED = max(most for caps in CAPS.values() for most, _ in caps)
LADDER_MS = (5_000, 30_000, 120_000, 600_000)
LAST_RUNG_MS = 1_800_000
JITTER = 0.2  # of the pause, so that those who failed together do not come again together


def allowed_ms(channel: Channel, left_ms: Sequence[int]) -> int:
    """Return from when on the caps of ``channel`` let another text leave.

    left_ms: when the newest texts left, ascending, at least as many as the largest cap names.
    """
    earliest = 0
    for most, within_ms in CAPS.get(channel, ()):
        if len(left_ms) >= most:
            earliest = max(earliest, left_ms[-most] + within_ms)
    return earliest


def pause_ms(tries: int, name: str) -> int:
    """Return for how long to wait after the ``tries``-th try, in vain, at what ``name`` names.

    name: 32 hex digits; the jitter follows from them, so that it is the same in a replay.
    """
    rung = LADDER_MS[tries - 1] if tries <= len(LADDER_MS) else LAST_RUNG_MS
    spread = int(name[:8], 16) / 0xFFFFFFFF  # 0 to 1
    return round(rung * (1 + JITTER * (2 * spread - 1)))


def quiet_until_ms(quiet: Quiet, at_ms: int) -> int | None:
    """Return when the quiet hours end that ``at_ms`` lies in; None if it lies in none.

    An hour that a change of the clocks leaves out counts as the one before the change.
    """
    zone = zone_or_utc(quiet.tz)
    at = instant(at_ms)
    day = at.astimezone(zone).date() - DAY
    for _ in range(3):  # they may have begun yesterday
        begins, ends = _local(day, quiet.from_, zone), _local(day, quiet.to, zone)
        if ends <= begins:
            ends = _local(day + DAY, quiet.to, zone)
        if begins <= at < ends:
            return round(ends.timestamp() * 1_000)
        day += DAY
    return None


@lru_cache(maxsize=1_000)
def zone_or_utc(name: str) -> ZoneInfo:
    """Return the zone that is called ``name``; UTC if there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):  # the directory refuses it; a record may be older
        return ZoneInfo("UTC")


def _local(day: date, time: str, zone: ZoneInfo) -> datetime:
    hour, minute = map(int, time.split(":"))
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(UTC)
