"""A snapshot follows the directory; a database that is down is said once, and comes back."""

import time

import psycopg
import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from app.directory import Device, Directory, Follower, Snapshot
from tests.people import ANN_AT_HOME

WAIT_S = 20


class Wire:
    """A directory whose database can be reached or not."""

    def __init__(self, directory: Directory) -> None:
        self.directory, self.down, self.read = directory, False, 0

    def revision(self) -> int:
        self._check()
        return self.directory.revision()

    def snapshot(self) -> Snapshot:
        self._check()
        self.read += 1
        return self.directory.snapshot()

    def _check(self) -> None:
        if self.down:
            raise OperationalError("select", {}, OSError("gone"))


def test_only_a_change_is_read(directory: Directory) -> None:
    directory.put(*ANN_AT_HOME)
    wire = Wire(directory)
    follower = Follower(wire, every_s=3_600)
    assert follower.known is None
    before = follower.snapshot()
    follower.refresh()

    assert follower.snapshot() is follower.known is before
    directory.put(Device(device="shop", owners=("ann",)))
    follower.refresh()
    assert set(follower.snapshot().holders) == {"home", "shop"}
    assert wire.read == 2
    follower.close()


def test_what_is_known_is_used_while_the_database_is_down(directory: Directory) -> None:
    directory.put(*ANN_AT_HOME)
    wire = Wire(directory)
    follower = Follower(wire, every_s=3_600)
    known = follower.snapshot()
    wire.down = True
    with capture_logs() as logs:
        for _ in range(3):
            follower.refresh()
        assert follower.snapshot() is known
        directory.put(Device(device="shop", owners=("ann",)))
        wire.down = False
        follower.refresh()
        follower.refresh()

    assert [each["event"] for each in logs] == ["directory_unreadable", "directory_readable_again"]
    assert set(follower.snapshot().holders) == {"home", "shop"}
    follower.close()


def test_a_directory_that_was_never_read_is_an_error(directory: Directory) -> None:
    wire = Wire(directory)
    wire.down = True
    with pytest.raises(OperationalError):
        Follower(wire).snapshot()


def test_it_follows_by_itself(directory: Directory) -> None:
    directory.put(*ANN_AT_HOME)
    follower = Follower(directory, every_s=0.01)
    assert "shop" not in follower.snapshot().holders
    directory.put(Device(device="shop", owners=("ann",)))
    until = time.monotonic() + WAIT_S
    while "shop" not in follower.snapshot().holders:
        assert time.monotonic() < until
        time.sleep(0.01)
    follower.close()


def test_a_server_that_is_restarted_is_followed_again(postgres: str) -> None:
    """The connections of a real server are cut: by itself the next use opens others."""
    directory = Directory(f"postgresql+psycopg://tests@/postgres?host={postgres}")
    directory.put(*ANN_AT_HOME)
    follower = Follower(directory, every_s=3_600)
    follower.snapshot()
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    with psycopg.connect(f"host={postgres} user=tests dbname=postgres") as other:
        other.execute(cut)
    directory.put(Device(device="shop", owners=("ann",)))
    follower.refresh()

    assert "shop" in follower.snapshot().holders
    follower.close()
    directory.close()
