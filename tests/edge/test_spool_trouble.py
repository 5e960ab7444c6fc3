"""A spool on a full disk, over its limit, or damaged: it goes on by itself, and says so."""

import errno
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from edge.ledger import HANDING, Ledger
from edge.spool import CorruptError, Spool, Spooled, SpoolError
from edge.spool_reserve import RESERVE

FULL = "PRAGMA max_page_count = 1"


def record(kind: str, seq: int, size: int = 100) -> Spooled:
    topic = "malformed" if kind == "malformed" else "probes"
    return Spooled(topic, seq, b'{"type":"%b","x":"%*d"}' % (kind.encode(), size, seq))


def readings(first: int, last: int) -> list[Spooled]:
    return [record("reading", seq) for seq in range(first, last + 1)]


def seqs(spool: Spool, topic: str = "probes") -> list[int]:
    return [row.seq for row in spool.read(999, topic)]


def test_what_is_acknowledged_is_not_read_again_while_it_cannot_be_deleted(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", "home") as spool:
        spool.commit(readings(1, 3), {})
        spool._db.execute("PRAGMA query_only = ON")
        spool.acknowledge("probes", 2)
        left, waiting = seqs(spool), spool.waiting
        spool._db.execute("PRAGMA query_only = OFF")
        spool.commit([], {})

    with Spool(tmp_path / "spool", "home") as again:
        assert (left, waiting) == ([3], 1)
        assert (seqs(again), again.waiting) == ([3], 1)


def test_after_a_crash_what_was_acknowledged_since_the_last_commit_is_sent_again(
    tmp_path: Path,
) -> None:
    with Spool(tmp_path / "spool", "home") as spool:
        spool.commit(readings(1, 3), {})
        spool.acknowledge("probes", 1)
        spool.commit(readings(4, 4), {})
        spool.acknowledge("probes", 2)
        spool._undeleted.clear()  # it gets no further

    with Spool(tmp_path / "spool", "home") as again:
        assert (seqs(again), again.waiting) == ([2, 3, 4], 3)


def test_a_backlog_that_is_acknowledged_is_deleted_without_a_commit(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", "home") as spool:
        spool.commit(readings(1, 1_100), {})
        spool.acknowledge("probes", 1_050)
        (left,) = spool._db.execute("SELECT count(*) FROM events").fetchone()

        assert left == spool.waiting == 50


def test_the_reserve_goes_for_what_was_shipped_and_not_for_more_of_the_same(
    tmp_path: Path,
) -> None:
    reserve, sizes = tmp_path / "spool-reserve", list[int | None]()
    with Spool(tmp_path / "spool", "home") as spool:
        spool.commit(readings(1, 3), {})
        spool._db.execute(FULL)
        for shipped in (False, True):
            if shipped:
                spool.acknowledge("probes", 2)
            with pytest.raises(SpoolError, match="full"):
                spool.commit([record("reading", 4, 99_000)], {})
            sizes.append(reserve.stat().st_size if reserve.exists() else None)
        spool._db.execute("PRAGMA max_page_count = 100000")
        spool.commit(readings(4, 4), {})
        sizes.append(reserve.stat().st_size)

    assert sizes == [RESERVE, None, RESERVE]


def test_a_spool_that_does_not_open_for_want_of_room_opens_by_its_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Spool(tmp_path / "spool", "home").close()
    connect, reserve = sqlite3.connect, tmp_path / "spool-reserve"

    def crowded(*arguments: Any, **options: Any) -> Any:
        if reserve.exists():
            raise sqlite3.OperationalError("database or disk is full")
        return connect(*arguments, **options)

    monkeypatch.setattr(sqlite3, "connect", crowded)

    with Spool(tmp_path / "spool", "home") as spool:
        assert spool.waiting == 0


def test_over_its_limit_it_drops_readings_then_malformed_then_ticks_then_contexts(
    tmp_path: Path,
) -> None:
    kinds = ("context", "tick", "malformed", "reading", "policy")
    kept = list[list[str]]()
    with Spool(tmp_path / "spool", "home", limit=1_000) as spool:
        spool.commit([Spooled("transitions", 1, b'{"type":"transition"}')], {})
        spool.commit([record(kind, seq) for seq, kind in enumerate(kinds, 1)], {})
        for seq in range(10, 18):
            spool.commit([record("policy", seq)], {})
            spool.make_room()
            found = (row.value.split(b'"')[3].decode() for row in spool.read(99))
            kept.append([kind for kind in found if kind != "policy"])

    assert [each for n, each in enumerate(kept) if each != kept[n - 1]] == [
        ["transition", "context", "tick", "malformed", "reading"],
        ["transition", "context", "tick", "malformed"],
        ["transition", "context", "tick"],
        ["transition", "context"],
        ["transition"],
    ]


def test_what_cannot_be_made_smaller_is_said_and_not_looked_through_at_each_commit(
    tmp_path: Path,
) -> None:
    with capture_logs() as logs, Spool(tmp_path / "spool", "home", limit=10_000) as spool:
        spool.commit([record("policy", seq) for seq in range(1, 120)], {})
        for seq in range(120, 126):
            spool.make_room()
            spool.commit([record("policy", seq)], {})

    assert [each["event"] for each in logs] == ["spool_over_limit", "spool_over_limit"]


def test_what_is_read_at_once_is_limited_by_its_bytes(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool", "home") as spool:
        spool.commit([record("reading", seq, 1_000) for seq in range(1, 10)], {})

        assert [row.seq for row in spool.read(99, "probes", 3_500)] == [1, 2, 3]
        assert [row.seq for row in spool.read(99, "probes", 10)] == [1]


def test_what_sqlite_finds_damaged_while_it_runs_is_set_aside_at_the_next_start(
    tmp_path: Path,
) -> None:
    with Spool(tmp_path / "spool", "home") as spool:
        spool.commit(readings(1, 3), {})
    _spoil_index(tmp_path / "spool")
    with Spool(tmp_path / "spool", "home") as spool, pytest.raises(CorruptError):
        spool.read(9, "probes")

    with Spool(tmp_path / "spool", "home") as again:
        assert (again.set_aside, again.waiting) == (tmp_path / "spool.damaged-1", 0)
    with Spool(tmp_path / "spool", "home") as third:
        assert third.set_aside is None


def _spoil_index(path: Path) -> None:
    """Take a row from the table and leave it in the index: the check at a start sees nothing."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA writable_schema = ON")
    index = db.execute("SELECT * FROM sqlite_master WHERE name = 'by_topic'").fetchone()
    db.execute("DELETE FROM sqlite_master WHERE name = 'by_topic'")
    db.close()
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("DELETE FROM events WHERE id = 2")
    db.execute("PRAGMA writable_schema = ON")
    db.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", index)
    db.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE kept SET value = x'00' WHERE name = 'stamper'",
        "UPDATE kept SET value = x'ff' WHERE name = 'device'",
        "DELETE FROM kept WHERE name = 'stamper'",
        "INSERT INTO positions VALUES ('probeEnergy.log', x'00')",
    ],
)
def test_what_it_cannot_read_of_itself_is_set_aside_at_once(tmp_path: Path, damage: str) -> None:
    Spool(tmp_path / "spool", "home").close()
    db = sqlite3.connect(tmp_path / "spool", isolation_level=None)
    db.execute(damage)
    db.close()

    with Spool(tmp_path / "spool", "home") as again:
        assert again.set_aside == tmp_path / "spool.damaged-1"


@pytest.mark.parametrize("name", [HANDING, "entry:probes"])
def test_what_the_ledger_cannot_read_is_set_aside_at_the_next_start(
    tmp_path: Path, name: str
) -> None:
    with Spool(tmp_path / "spool", "home") as spool:
        spool.commit([], {}, {name: b'{"untold":[{}]}'})
        with pytest.raises(CorruptError):
            Ledger("home", "r", spool)

    with Spool(tmp_path / "spool", "home") as again:
        assert again.set_aside == tmp_path / "spool.damaged-1"


def test_of_damaged_files_the_newest_two_are_kept(tmp_path: Path) -> None:
    with capture_logs() as logs:
        for _ in range(4):
            (tmp_path / "spool").write_text("hello" * 1000)
            Spool(tmp_path / "spool", "home").close()

    removed = [each["removed"] for each in logs if each["event"] == "spool_damaged_removed"]
    assert removed == [str(tmp_path / f"spool.damaged-{number}") for number in (1, 2)]
    assert {each.name for each in tmp_path.glob("spool.damaged-?")} == {
        "spool.damaged-3",
        "spool.damaged-4",
    }


def test_a_disk_that_does_not_even_name_its_files_is_an_error_of_the_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_self: Path, **_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with Spool(tmp_path / "spool", "home") as spool:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "stat", broken)
            with pytest.raises(SpoolError, match="Input/output error"):
                spool.commit(readings(1, 1), {})
        spool.commit(readings(1, 1), {})

        assert seqs(spool) == [1]
