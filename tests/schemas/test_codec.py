"""The codec, and a golden file for every record and version."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.schemas import json_schemas
from schemas import codec, topics
from schemas.malformed import malformed

GOLDEN = Path(__file__).parent / "golden"
NAMES = [f"{record.__struct_config__.tag}.v1.json" for record in codec.RECORDS]


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_record_reads_and_writes_as_it_stands(name: str) -> None:
    payload = (GOLDEN / name).read_bytes().rstrip(b"\n")

    assert codec.encode(codec.decode(codec.any_record, payload)) == payload


@pytest.mark.parametrize("path", sorted((GOLDEN / "earlier").iterdir()), ids=lambda path: path.name)
def test_a_record_from_before_it_had_more_fields_still_says_what_it_said(path: Path) -> None:
    read = codec.decode(codec.any_record, path.read_bytes())

    said = msgspec.json.decode(path.read_bytes())
    assert _with(msgspec.to_builtins(read), said) == msgspec.to_builtins(read)


def _with(read: Any, said: Any) -> Any:
    """Return ``read`` with what was ``said``, also within its fields."""
    if not isinstance(said, dict):
        return said
    return read | {key: _with(read.get(key), value) for key, value in said.items()}


def test_there_is_a_golden_file_for_every_record_and_no_other() -> None:
    assert sorted(path.name for path in GOLDEN.glob("*.json")) == sorted(NAMES)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_decoding_never_raises(payload: bytes) -> None:
    seen = codec.decode(codec.any_record, payload)

    assert isinstance(seen, codec.Unreadable)
    assert seen.payload == payload


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"not JSON", "malformed"),
        (b'{"type":"tick","more":' + b"[" * 5_000, "recursion"),
        (b'{"type":"tick","v":2}', "Invalid enum value 2"),
        (b'{"type":"from the future","v":1}', "Invalid value 'from the future'"),
        (b"\xff\xfe", "malformed"),
        (None, "no value"),
    ],
)
def test_what_cannot_be_read_says_why(payload: bytes | None, reason: str) -> None:
    seen = codec.decode(codec.any_record, payload)

    assert isinstance(seen, codec.Unreadable)
    assert reason in seen.reason


def test_malformed_bytes_are_kept_whole() -> None:
    text = malformed("home", "x:1", "because", b"plain")
    raw = malformed("home", "x:2", "because", b"\xff\x00")

    assert (text.text, text.base64) == ("plain", None)
    assert (raw.text, raw.base64) == (None, "/wA=")


def test_what_is_mostly_escapes_is_kept_in_base64_and_what_is_huge_in_part() -> None:
    escapes = malformed("home", "x:3", "because", b"\x01" * 100_000)
    huge = malformed("home", "x:4", "because", b"a" * 5_000_000)

    assert (escapes.text, len(escapes.base64 or "")) == (None, 133_336)
    assert huge.reason.startswith("because (the first 1500000 of 5000000 bytes; SHA-256 ")
    assert len(codec.encode(huge)) < topics.LARGEST_RECORD


def test_every_record_has_a_json_schema_that_fixes_its_type_and_version() -> None:
    for tag, schema in json_schemas().items():
        (definition,) = (
            each for name, each in schema["$defs"].items() if schema["$ref"].endswith(name)
        )
        assert definition["properties"]["type"] == {"enum": [tag]}
        assert definition["properties"]["v"]["enum"] == [1]
    assert msgspec.json.encode(json_schemas())


@pytest.mark.parametrize("seq", ["0", "-1", "1.5", "1099511627777", "1" + "0" * 300])
def test_a_number_that_counts_nothing_is_unreadable(seq: str) -> None:
    golden = (GOLDEN / "tick.v1.json").read_text()
    value = re.sub(r'"seq":\d+', f'"seq":{seq}', golden).encode()

    read = codec.decode(codec.any_record, value)
    assert isinstance(read, codec.Unreadable)
