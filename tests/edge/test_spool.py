"""The spool keeps what was committed and nothing else, for one edge of one device."""

import sqlite3
from pathlib import Path

import pytest

from edge.log_file import Position
from edge.spool import CorruptError, Row, Spool, Spooled, SpoolError
from tests.edge.logs import at

PLACE = Position(1, 2, 30, 4, at(5))


def test_what_is_committed_is_there_after_a_restart(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", "home") as spool:
        spool.state.seq["probes"] = 7
        spool.commit(
            [Spooled("probes", 1, b"a"), Spooled("probes", 2, b"b")], {"Transition.log": PLACE}
        )
        epoch = spool.state.epoch

    with Spool(tmp_path / "spool", "home") as again:
        assert again.read(9) == [
            Row(1, "probes", 1, b"home", b"a"),
            Row(2, "probes", 2, b"home", b"b"),
        ]
        assert again.positions == {"Transition.log": PLACE}
        assert (again.state.epoch, again.state.seq) == (epoch, {"probes": 7})
        assert again.waiting == 2


def test_a_new_spool_is_a_new_epoch(tmp_path: Path) -> None:
    with Spool(tmp_path / "a", "home") as one, Spool(tmp_path / "b", "home") as other:
        assert one.state.epoch != other.state.epoch


def test_acknowledged_rows_leave_and_their_numbers_are_not_used_again(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", "home") as spool:
        spool.commit(
            [Spooled("probes", 1, b"a"), Spooled("windows", 1, b"b"), Spooled("probes", 2, b"c")],
            {},
        )
        spool.acknowledge("probes", 3)
        left = spool.read(9)
        spool.acknowledge("windows", 2)
        spool.commit([Spooled("probes", 3, b"d")], {})

        assert [row.value for row in left] == [b"b"]
        assert [row.id for row in spool.read(9)] == [4]
        assert spool.waiting == 1


def test_a_commit_that_fails_stores_nothing(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", "home") as spool:
        with pytest.raises(SpoolError):
            spool.commit([Spooled("probes", 1, b"a"), Spooled("probes", 2, None)], {"x": PLACE})  # type: ignore[arg-type]

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

    with pytest.raises(SpoolError, match="version 99, not 2"):
        Spool(tmp_path / "spool", "home")


def test_what_is_damaged_is_set_aside_and_a_new_epoch_begins(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", "home") as spool:
        spool.commit([Spooled("probes", 1, b"a" * 9_000)] * 40, {})
        epoch = spool.state.epoch
    damaged = bytearray((tmp_path / "spool").read_bytes())
    damaged[5_000:60_000] = bytes(55_000)
    (tmp_path / "spool").write_bytes(damaged)

    with Spool(tmp_path / "spool", "home") as again:
        assert again.set_aside == tmp_path / "spool.damaged-1"
        assert (again.waiting, again.positions) == (0, {})
        assert again.state.epoch != epoch
    assert (tmp_path / "spool.damaged-1").read_bytes() == damaged


@pytest.mark.parametrize("replaced", [False, True])
def test_what_is_removed_while_it_is_in_use_takes_nothing_more(
    tmp_path: Path, replaced: bool
) -> None:
    with Spool(tmp_path / "spool", "home") as spool:
        spool.commit([Spooled("probes", 1, b"{}")], {})
        (tmp_path / "spool").rename(tmp_path / "elsewhere")
        if replaced:
            (tmp_path / "spool").touch()
        with pytest.raises(CorruptError, match="was removed or replaced while it was in use"):
            spool.commit([Spooled("probes", 2, b"{}")], {})
        with pytest.raises(CorruptError):
            spool.acknowledge("probes", 1)

        assert (spool.waiting, len(spool.read(9))) == (1, 1)


def test_what_is_no_database_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("hello" * 1000)
    Spool(tmp_path / "spool", "home").close()

    assert (tmp_path / "spool.damaged-1").read_text() == "hello" * 1000


V1 = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL
) STRICT;
CREATE TABLE positions (log TEXT PRIMARY KEY, position BLOB NOT NULL) STRICT;
CREATE TABLE stamper (device TEXT NOT NULL, state BLOB NOT NULL) STRICT;
INSERT INTO events (topic, key, value) VALUES
    ('probes', CAST('home' AS BLOB), CAST('{"type":"tick","seq":7}' AS BLOB)),
    ('malformed', CAST('home' AS BLOB), CAST('{"type":"malformed"}' AS BLOB));
INSERT INTO stamper VALUES ('home', CAST('{"epoch":"e","seq":{"probes":7}}' AS BLOB));
PRAGMA user_version = 1;
"""


def test_a_spool_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "spool")
    db.executescript(V1)
    db.close()

    with Spool(tmp_path / "spool", "home") as spool:
        assert [(row.topic, row.seq) for row in spool.read(9)] == [("probes", 7), ("malformed", 0)]
        assert (spool.state.epoch, spool.state.seq, spool.waiting) == ("e", {"probes": 7}, 2)


def reading(seq: int) -> Spooled:
    return Spooled("probes", seq, b'{"type":"reading","x":"%100d"}' % seq)


def test_a_full_spool_drops_its_oldest_readings_and_nothing_else(tmp_path: Path) -> None:
    tick = Spooled("probes", 1, b'{"type":"tick"}')
    change = Spooled("transitions", 1, b'{"type":"transition"}')
    with Spool(tmp_path / "spool", "home", limit=2_000) as spool:
        spool.commit([tick, change, *(reading(seq) for seq in range(2, 22))], {})
        dropped = spool.make_room(spare=[3])
        left = [row.seq for row in spool.read(99, "probes")]

        assert left == [1, 3, *range(dropped + 3, 22)]
        assert [row.topic for row in spool.read(99, "transitions")] == ["transitions"]
        assert spool.size <= 2_000
        assert (spool.waiting, spool.make_room()) == (22 - dropped, 0)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="No such file"):
        Spool(tmp_path / "none" / "spool", "home")
