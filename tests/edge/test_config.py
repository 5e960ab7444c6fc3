"""A configuration is right, or refused with the file, the key and what would be right."""

from datetime import UTC, timedelta
from pathlib import Path

import pytest

from edge.config import Config, ConfigError, load

SECURITY = 'device = "a"\n[security]\nca = "{}"'


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "notifications.config"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def test_a_device_is_enough(tmp_path: Path) -> None:
    config = load(written(tmp_path, 'device = "home"'), {})

    assert config == Config(
        device="home",
        logs=tmp_path,
        brokers=("127.0.0.1:9092",),
        tick=timedelta(seconds=15),
        settle=timedelta(seconds=2),
        zone=UTC,
        spool=tmp_path / "spool.db",
    )


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert load(written(tmp_path, b'\xef\xbb\xbfdevice = "home"'), {}).device == "home"


def test_everything_can_be_said(tmp_path: Path) -> None:
    text = """
        device = "home"
        logs = "logs"
        brokers = "a, b:1"
        tick = "1m30s"
        settle = "500ms"
        tz = "Africa/Lagos"
        spool = "/somewhere/spool"
    """

    config = load(written(tmp_path, text), {})

    assert (config.logs, config.spool) == (tmp_path / "logs", Path("/somewhere/spool"))
    assert config.brokers == ("a:9092", "b:1")
    assert (config.tick, config.settle) == (timedelta(seconds=90), timedelta(seconds=0.5))
    assert str(config.zone) == "Africa/Lagos"


def test_the_environment_names_other_brokers(tmp_path: Path) -> None:
    environ = {"KAFKA_BOOTSTRAP_SERVERS": "x:1,y:2"}

    assert load(written(tmp_path, 'device = "home"'), environ).brokers == ("x:1", "y:2")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 'device is missing; say which one this is, as in device = "home"'),
        ('device = ""', "device = '' must be a text in quotes"),
        ("device = 5", "device = 5 must be a text in quotes"),
        ('device = " a"', "without outer spaces"),
        ('device = "a"\nsetle = "2s"', "there is no setting setle; did you mean settle?"),
        ('device = "a"\nxyzzy = 1', "there is no setting xyzzy; there are device, logs"),
        ('device = "a"\ntick = "soon"', "tick: 'soon' is not a duration; write it as 90s"),
        ('device = "a"\ntick = 15', 'tick: 15 must be a text in quotes, as in tick = "15s"'),
        ('device = "a"\ntick = "0s"', 'tick = "0s" is not between 100ms and 1h'),
        ('device = "a"\nbrokers = []', "brokers = [] must be a list"),
        ('device = "a"\nbrokers = ["a:b"]', "brokers: 'a:b' is not host:port"),
        ('device = "a"\nbrokers = ["a:99999"]', "brokers: 'a:99999' is not host:port"),
        ('device = "a"\ntz = "Nowhere"', "tz=Nowhere is not a known time zone"),
        ('device = "a"\ntick = soon', "is not TOML: Invalid value (at line 2, column 8)"),
        (b"\xff", "is not UTF-8 at byte 0"),
        (SECURITY.format("no.ca"), "security.ca: "),
        (SECURITY.format("x" * 5_000), "cannot be read: File name too long"),
        (SECURITY.format("latin.ca"), "latin.ca is not UTF-8 text"),
    ],
)
def test_a_mistake_is_refused(tmp_path: Path, text: str | bytes, expected: str) -> None:
    file = written(tmp_path, text)
    (tmp_path / "latin.ca").write_bytes(b"\xe9")

    with pytest.raises(ConfigError) as refused:
        load(file, {})

    assert str(file) in str(refused.value)
    assert expected in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is missing; one with the line"):
        load(tmp_path / "none", {})
