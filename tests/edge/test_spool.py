"""The spool keeps what was committed and nothing else, for one edge of one device."""

import sqlite3
from pathlib import Path

import pytest

from edge.log_file import Position
from edge.spool import Row, Spool, SpoolError
from tests.edge.logs import at

PLACE = Position(1, 2, 30, 4, at(5))


def test_what_is_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", "home") as spool:
        spool.state.seq["probes"] = 7
        spool.commit([("probes", b"a"), ("probes", b"b")], {"Transition.log": PLACE})
        epoch = spool.state.epoch

    with Spool(tmp_path / "spool", "home") as again:
        assert again.read(9) == [Row(1, "probes", b"home", b"a"), Row(2, "probes", b"home", b"b")]
        assert again.positions == {"Transition.log": PLACE}
        assert (again.state.epoch, again.state.seq) == (epoch, {"probes": 7})
        assert again.waiting == 2


def test_a_new_spool_is_a_new_epoch(tmp_path: Path) -> None:
    with Spool(tmp_path / "a", "home") as one, Spool(tmp_path / "b", "home") as other:
        assert one.state.epoch != other.state.epoch


def test_acknowledged_rows_leave_and_their_numbers_are_not_used_again(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", "home") as spool:
        spool.commit([("probes", b"a"), ("windows", b"b"), ("probes", b"c")], {})
        spool.acknowledge("probes", 3)
        left = spool.read(9)
        spool.acknowledge("windows", 2)
        spool.commit([("probes", b"d")], {})

        assert [row.value for row in left] == [b"b"]
        assert [row.id for row in spool.read(9)] == [4]
        assert spool.waiting == 1


def test_a_commit_that_fails_stores_nothing(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", "home") as spool:
        with pytest.raises(SpoolError):
            spool.commit([("probes", b"a"), ("probes", None)], {"x": PLACE})  # type: ignore[list-item]

        assert (spool.read(9), spool.waiting) == ([], 0)
    with Spool(tmp_path / "spool", "home") as again:
        assert again.positions == {}


def test_a_second_edge_is_refused(tmp_path: Path) -> None:
    with (
        Spool(tmp_path / "spool", "home"),
        pytest.raises(SpoolError, match="in use by another edge"),
    ):
        Spool(tmp_path / "spool", "home")


def test_another_device_is_refused(tmp_path: Path) -> None:
    Spool(tmp_path / "spool", "home").close()

    with pytest.raises(SpoolError, match="of device home, not shop"):
        Spool(tmp_path / "spool", "shop")


def test_a_spool_of_the_future_is_refused(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "spool")
    db.execute("PRAGMA user_version = 99")
    db.close()

    with pytest.raises(SpoolError, match="version 99, not 1"):
        Spool(tmp_path / "spool", "home")


def test_what_is_no_spool_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("hello" * 1000)

    with pytest.raises(SpoolError, match="not a database"):
        Spool(tmp_path / "spool", "home")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="No such file"):
        Spool(tmp_path / "none" / "spool", "home")
