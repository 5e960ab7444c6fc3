"""Files that are compressed: what was not read of them is unpacked."""

import pytest

from edge import log_file, unpack
from tests.edge.logs import READINGS
from tests.edge.rotations import Events, Follower, compress, lines, numbered, put, rename, told


def test_a_restart_in_the_midst_of_a_compressed_file_goes_on_there(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "QUEUE", 2)
    monkeypatch.setattr(log_file, "CHUNK", 60)
    put(follower.path, lines(*range(3, 12)))
    rename(follower.path)
    compress(numbered(follower.path, 1))
    put(follower.path, lines(12))
    for _ in range(9):
        follower.restart()
        follower.step()
        follower.step(2)
    follower.settle()

    assert follower.texts == [str(number) for number in range(1, 13)]


@pytest.mark.parametrize("broken", ["damaged", "large"])
@pytest.mark.parametrize("known", [False, True])
def test_a_compressed_file_that_cannot_be_unpacked_is_reported_as_not_read(
    follower: Follower,
    events: Events,
    monkeypatch: pytest.MonkeyPatch,
    *,
    broken: str,
    known: bool,
) -> None:
    put(follower.path, lines(3))
    rename(follower.path)
    if not known:
        put(follower.path, lines(4))
        rename(follower.path)
    packed = compress(numbered(follower.path, 1))
    put(follower.path, lines(5))
    if broken == "large":
        monkeypatch.setattr(unpack, "LARGEST", 40)
    else:
        content = packed.read_bytes()
        packed.write_bytes(content[:-8] + b"\0\0\0\0" + content[-4:])
    follower.restart()
    follower.settle()

    reason = {"damaged": "it is compressed and damaged"}.get(
        broken, "it is compressed and holds over 40 bytes"
    )
    assert follower.texts == ["1", "2", *([] if known else ["3"]), "5"]
    assert [event for event in events if event["event"] == "log_skipped"] == [
        {
            "event": "log_skipped",
            "log_level": "error",
            "log": READINGS,
            "file": packed.name,
            "reason": reason,
        },
    ]


def test_a_file_that_is_being_compressed_is_read(follower: Follower, events: Events) -> None:
    put(follower.path, lines(3))
    for number in (4, 5):
        rename(follower.path)
        put(follower.path, lines(number))
    numbered(follower.path, 1).with_suffix(".1.gz").write_bytes(b"\x1f\x8b")
    follower.settle()

    assert follower.texts == ["1", "2", "3", "4", "5"]
    assert told(events) == [("info", "log_rotated")]


@pytest.mark.parametrize("down", [False, True])
def test_a_file_compressed_after_it_was_read_is_no_loss(
    follower: Follower, events: Events, *, down: bool
) -> None:
    rename(follower.path)
    compress(numbered(follower.path, 1))
    put(follower.path, lines(3))
    if down:
        follower.restart()
    follower.settle()

    assert follower.texts == ["1", "2", "3"]
    assert [event for event in told(events) if event[0] != "info"] == []
