"""``notifications.config``: what a device is told about itself, read once at start.

TOML. Only ``device`` is required::

    device = "ikeja-0042"
    logs = "/var/log/changeover"
    brokers = ["kafka-1:9092", "kafka-2:9092"]
    tick = "15s"
    settle = "2s"
    tz = "Africa/Lagos"
    spool = "/var/lib/changeover/spool.db"
"""

import os
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta, tzinfo
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from edge import windows
from schemas.duration import Duration

CONFIG_NAME = "notifications.config"
BROKERS_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
PORT = 9092
LOCAL = f"127.0.0.1:{PORT}"
BROKER = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
HIGHEST_PORT = 65_535
LONGEST_DEVICE = 200
TICKS = (timedelta(milliseconds=100), timedelta(hours=1))
SETTLES = (timedelta(), timedelta(minutes=5))


class ConfigError(Exception):
    """The configuration is wrong; the sentence names the file, the key and what would be right."""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A device's configuration, checked.

    logs: the folder of the four logs. brokers: ``host:port`` each.
    tick: a stream without an event for so long gets a tick.
    settle: how long a line waits for earlier ones of other logs.
    zone: of times in the logs that name none. spool: the file that keeps what is not shipped yet.
    """

    device: str
    logs: Path
    brokers: tuple[str, ...]
    tick: timedelta
    settle: timedelta
    zone: tzinfo
    spool: Path


KEYS = ("device", "logs", "brokers", "tick", "settle", "tz", "spool")


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
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f'{file} is missing; one with the line device = "home" will do') from None
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}") from None


def _config(given: dict[str, Any], folder: Path, environ: Mapping[str, str]) -> Config:
    for key in given.keys() - set(KEYS):
        near = get_close_matches(key, KEYS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(KEYS)}"
        raise ValueError(f"there is no setting {key}; {hint}")
    return Config(
        device=_device(given),
        logs=folder / _text(given, "logs", "."),
        brokers=_brokers(given, environ),
        tick=_duration(given, "tick", "15s", TICKS),
        settle=_duration(given, "settle", "2s", SETTLES),
        zone=windows.zone(_text(given, "tz", "UTC")),
        spool=folder / _text(given, "spool", "spool.db"),
    )


def _text(given: dict[str, Any], key: str, default: str) -> str:
    value = given.get(key, default)
    if isinstance(value, str) and value and value.isprintable():
        return value
    raise ValueError(f'{key} = {value!r} must be a text in quotes, as in {key} = "{default}"')


def _device(given: dict[str, Any]) -> str:
    if "device" not in given:
        raise ValueError('device is missing; say which one this is, as in device = "home"')
    device = _text(given, "device", "home")
    if device != device.strip() or len(device) > LONGEST_DEVICE:
        raise ValueError(f"device must be 1 to {LONGEST_DEVICE} characters, without outer spaces")
    return device


def _duration(
    given: dict[str, Any], key: str, default: str, limits: tuple[timedelta, timedelta]
) -> timedelta:
    try:
        span = Duration.parse(_text(given, key, default))
    except ValueError as error:
        raise ValueError(f"{key}: {str(error).removeprefix(f'{key} = ')}") from None
    if not limits[0] <= span <= limits[1]:
        low, high = (Duration(seconds=limit.total_seconds()) for limit in limits)
        raise ValueError(f'{key} = "{given[key]}" is not between {low} and {high}')
    return span


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
