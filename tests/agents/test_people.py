"""What bars an address: known at once, and written as soon as the database takes it."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from agents import people as agents_people
from agents.people import People
from app.directory import Directory, Follower, Snapshot
from schemas.delivery import Channel
from tests.people import ANN_AT_HOME

ANNS, OTHER = "+15550100", "+15550101"
LATER_MS = 4_102_444_800_000  # 2100: after any address was verified


class Failing(Directory):
    """A directory whose database is down for ``failures`` writes, and never takes ``poison``."""

    failures = 0
    poison = ""

    def suppress(
        self, channel: Channel, address: str, reason: str, at_ms: int, author: str = ""
    ) -> bool:
        if self.failures or address == self.poison:
            self.failures = max(0, self.failures - 1)
            raise OperationalError("insert", {}, OSError("gone"))
        return super().suppress(channel, address, reason, at_ms, author)


class Known(People):
    """People of a directory that is open already."""

    def __init__(self, directory: Directory) -> None:
        super().__init__("", again_s=0.01)
        self._opened = directory, Follower(directory, every_s=3_600)

    async def written(self) -> None:
        """Return once all of it is."""
        while self._unwritten:
            await asyncio.sleep(0.01)


@pytest.fixture
def directory(tmp_path: Path) -> Failing:
    opened = Failing(f"sqlite:///{tmp_path / 'people.db'}")
    opened.put(*ANN_AT_HOME)
    return opened


def addresses(directory: Directory) -> list[str]:
    return [each.address for each in directory.suppressions()]


def test_what_bars_an_address_is_known_once_the_directory_was_read(directory: Failing) -> None:
    directory.suppress(Channel.SMS, ANNS, "STOP", LATER_MS)
    people = Known(directory)
    before = people.suppressed(Channel.SMS, ANNS)
    asyncio.run(people.snapshot())

    assert (before, people.suppressed(Channel.SMS, ANNS)) == (None, "STOP")
    assert people.suppressed(Channel.SMS, OTHER) is None
    assert people.suppressed(Channel.EMAIL, ANNS) is None


def test_nobody_has_asked_so_nothing_is_barred() -> None:
    assert People("sqlite://").suppressed(Channel.SMS, ANNS) is None


def test_what_a_database_that_is_down_does_not_take_is_written_later(directory: Failing) -> None:
    async def lived() -> tuple[list[str | None], Snapshot]:
        people = Known(directory)
        await people.snapshot()
        directory.failures = 3
        people.suppress(Channel.SMS, ANNS, "bounced", LATER_MS)
        seen = [people.suppressed(Channel.SMS, ANNS)]
        await people.written()
        return [*seen, people.suppressed(Channel.SMS, ANNS)], await people.snapshot()

    with capture_logs() as logs:
        seen, snapshot = asyncio.run(lived())

    assert seen == ["bounced", "bounced"]
    assert snapshot.suppressed == {("sms", ANNS): "bounced"}
    assert addresses(directory) == [ANNS]
    assert [each["event"] for each in logs] == ["not_suppressed"]


def test_one_that_cannot_be_written_keeps_no_other_back(directory: Failing) -> None:
    async def lived() -> None:
        people = Known(directory)
        directory.poison = ANNS
        people.suppress(Channel.SMS, ANNS, "bounced", LATER_MS)
        people.suppress(Channel.SMS, OTHER, "bounced", LATER_MS)
        while not addresses(directory):
            await asyncio.sleep(0.01)

    asyncio.run(lived())

    assert addresses(directory) == [OTHER]


def test_an_address_that_was_verified_since_is_not_barred(directory: Failing) -> None:
    async def lived() -> str | None:
        people = Known(directory)
        await people.snapshot()
        people.suppress(Channel.SMS, ANNS, "bounced", 1)
        seen = people.suppressed(Channel.SMS, ANNS)
        await people.written()
        return seen

    assert asyncio.run(lived()) is None
    assert addresses(directory) == []


def test_no_more_wait_than_there_is_room_for(
    directory: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lived() -> None:
        people = Known(directory)
        people.suppress(Channel.SMS, ANNS, "bounced", LATER_MS)
        people.suppress(Channel.SMS, OTHER, "bounced", LATER_MS)
        await people.written()

    monkeypatch.setattr(agents_people, "MOST_UNWRITTEN", 1)
    with capture_logs() as logs:
        asyncio.run(lived())

    assert addresses(directory) == [ANNS]
    assert [each["event"] for each in logs] == ["not_suppressed"]
