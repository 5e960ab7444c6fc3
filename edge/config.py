"""``notifications.config``: what a device is told about itself, read once at start.

TOML. Only ``device`` is required::

    device = "ikeja-0042"
    logs = "/var/log/changeover"
    brokers = ["kafka-1:9092", "kafka-2:9092"]
    tick = "15s"
    settle = "2s"
    tz = "Africa/Lagos"
    spool = "/var/lib/changeover/spool.db"
    spool_limit_mb = 200

    numbers = ["+2348012345678"]    # whom to text when there is no internet
    handoff = "60s"                 # how long the servers have to take a decision over

    [modem]
    port = "/dev/serial/by-id/usb-SIM800"
    pin = "1234"
    balance = "*100#"

    [internet]
    targets = ["tcp://1.1.1.1:53", "http://example.com/generate_204"]
    every = "15s"

    [[rule]]                        # what the device decides by itself
    name = "grid_lost"              # the other keys are those of the default rule of that name
    for = "1m"
"""

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Any

import msgspec

from edge import config_sections as read
from edge import windows
from edge.config_sections import InternetConfig, ModemConfig, SecurityConfig
from tables.rules import Rule

CONFIG_NAME = "notifications.config"
BROKERS_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
PORT = 9092
LOCAL = f"127.0.0.1:{PORT}"
BROKER = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
HIGHEST_PORT = 65_535
TICKS = (timedelta(milliseconds=100), timedelta(hours=1))
SETTLES = (timedelta(), timedelta(minutes=5))
HANDOFFS = (timedelta(seconds=1), timedelta(hours=1))
MEGABYTES = (1, 100_000)


class ConfigError(Exception):
    """The configuration is wrong; the sentence names the file, the key and what would be right."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A device's configuration, checked.

    logs: the folder of the four logs. brokers: ``host:port`` each.
    tick: a stream without an event for so long gets a tick.
    settle: how long a line waits for earlier ones of other logs.
    zone: of times in the logs that name none. spool: the file that keeps what is not shipped yet.
    spool_limit: bytes of records in it; beyond that the oldest readings go.
    numbers: whom to text. handoff: how long the servers have to take a decision over.
    rules: what the device decides by itself. modem: None if there is none.
    security: None is plain text, for a network of one's own.
    """

    device: str
    logs: Path
    brokers: tuple[str, ...]
    tick: timedelta
    settle: timedelta
    zone: tzinfo
    spool: Path
    spool_limit: int = 200_000_000
    numbers: tuple[str, ...] = ()
    handoff: timedelta = timedelta(seconds=60)
    rules: tuple[Rule, ...] = ()
    modem: ModemConfig | None = None
    internet: InternetConfig = InternetConfig()
    security: SecurityConfig | None = None


KEYS = (
    "device",
    "logs",
    "brokers",
    "tick",
    "settle",
    "tz",
    "spool",
    "spool_limit_mb",
    "numbers",
    "handoff",
    "modem",
    "internet",
    "security",
    "rule",
)


def load(file: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Return the configuration in ``file``; relative paths there start at its folder.

    Raises:
        ConfigError: it cannot be read, or something in it is wrong.
    """
    given = _read(file)
    try:
        return _config(given, file.absolute().parent, environ)
    except ValueError as error:
        raise ConfigError(f"{file}: {error}") from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f'{file} is missing; one with the line device = "home" will do') from None
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}") from None


def _config(given: dict[str, Any], folder: Path, environ: Mapping[str, str]) -> Config:
    read.check_keys(given, KEYS)
    to_text = read.numbers(given)
    return Config(
        device=read.device(given),
        logs=folder / read.text(given, "logs", "."),
        brokers=_brokers(given, environ),
        tick=read.duration(given, "tick", "15s", TICKS),
        settle=read.duration(given, "settle", "2s", SETTLES),
        zone=windows.zone(read.text(given, "tz", "UTC")),
        spool=folder / read.text(given, "spool", "spool.db"),
        spool_limit=read.whole(given, "spool_limit_mb", 200, MEGABYTES) * 1_000_000,
        numbers=to_text,
        handoff=read.duration(given, "handoff", "60s", HANDOFFS),
        rules=read.rules(given, read.device(given), texts=bool(to_text)),
        modem=read.modem(given),
        internet=read.internet(given),
        security=read.security(given, folder),
    )


def _brokers(given: dict[str, Any], environ: Mapping[str, str]) -> tuple[str, ...]:
    name, value = "brokers", given.get("brokers", LOCAL)
    if environ.get(BROKERS_VARIABLE):
        name, value = BROKERS_VARIABLE, environ[BROKERS_VARIABLE]
    texts = value.split(",") if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts:
        raise ValueError(f'{name} = {value!r} must be a list, as in {name} = ["{LOCAL}"]')
    return tuple(_broker(name, text) for text in texts)


def _broker(name: str, text: object) -> str:
    text = text.strip() if isinstance(text, str) else text
    match = BROKER.fullmatch(text) if isinstance(text, str) else None
    if match is None or not 0 < int(match[1] or PORT) <= HIGHEST_PORT:
        raise ValueError(f"{name}: {text!r} is not host:port, as in {LOCAL}")
    return match[0] if match[1] else f"{match[0]}:{PORT}"
