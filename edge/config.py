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
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from edge import windows
from edge.internet import parse_target
from schemas.duration import Duration
from tables import rules as rulebook
from tables.rules import Rule, RulesError

CONFIG_NAME = "notifications.config"
BROKERS_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"
PORT = 9092
LOCAL = f"127.0.0.1:{PORT}"
BROKER = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
HIGHEST_PORT = 65_535
LONGEST_DEVICE = 200
TICKS = (timedelta(milliseconds=100), timedelta(hours=1))
SETTLES = (timedelta(), timedelta(minutes=5))
HANDOFFS = (timedelta(seconds=1), timedelta(hours=1))
PROBES = (timedelta(seconds=1), timedelta(hours=1))
NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")  # ITU-T E.164
MOST_NUMBERS = 20
MEGABYTES = (1, 100_000)


class ConfigError(Exception):
    """The configuration is wrong; the sentence names the file, the key and what would be right."""


class ModemConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where the SIM800 is. balance: the USSD code that asks for it."""

    port: str
    baud: int = 115_200
    pin: str | None = None
    balance: str | None = None


class InternetConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked whether there is internet. targets: as ``edge.internet`` reads them."""

    targets: tuple[str, ...] = ()
    every: timedelta = timedelta(seconds=15)


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A device's configuration, checked.

    logs: the folder of the four logs. brokers: ``host:port`` each.
    tick: a stream without an event for so long gets a tick.
    settle: how long a line waits for earlier ones of other logs.
    zone: of times in the logs that name none. spool: the file that keeps what is not shipped yet.
    spool_limit: bytes of records in it; beyond that the oldest readings go.
    numbers: whom to text. handoff: how long the servers have to take a decision over.
    rules: what the device decides by itself. modem: None if there is none.
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
    _check_keys(given, KEYS)
    numbers = _numbers(given)
    return Config(
        device=_device(given),
        logs=folder / _text(given, "logs", "."),
        brokers=_brokers(given, environ),
        tick=_duration(given, "tick", "15s", TICKS),
        settle=_duration(given, "settle", "2s", SETTLES),
        zone=windows.zone(_text(given, "tz", "UTC")),
        spool=folder / _text(given, "spool", "spool.db"),
        spool_limit=_whole(given, "spool_limit_mb", 200, MEGABYTES) * 1_000_000,
        numbers=numbers,
        handoff=_duration(given, "handoff", "60s", HANDOFFS),
        rules=_rules(given, _device(given), texts=bool(numbers)),
        modem=_modem(given),
        internet=_internet(given),
    )


def _check_keys(given: dict[str, Any], known: tuple[str, ...], section: str = "") -> None:
    for key in given.keys() - set(known):
        near = get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise ValueError(f"there is no setting {section}{key}; {hint}")


def _section(given: dict[str, Any], name: str, known: tuple[str, ...]) -> dict[str, Any] | None:
    section = given.get(name)
    if section is None:
        return None
    if isinstance(section, dict):
        _check_keys(section, known, f"{name}.")
        return section
    raise ValueError(f"{name} must be a table, as in [{name}]")


def _numbers(given: dict[str, Any]) -> tuple[str, ...]:
    value = given.get("numbers", [])
    if not isinstance(value, list) or len(value) > MOST_NUMBERS:
        raise ValueError(f"numbers must be a list of at most {MOST_NUMBERS} numbers")
    for number in value:
        if not isinstance(number, str) or not NUMBER.fullmatch(number):
            raise ValueError(f"numbers: {number!r} is not a number, as in +2348012345678")
    return tuple(dict.fromkeys(value))


def _rules(given: dict[str, Any], device: str, *, texts: bool) -> tuple[Rule, ...]:
    """Return the rules listed; if there are none but somebody to text, the default ones."""
    standing = {rule.name: rule for rule in rulebook.default() if rule.stream != "liveness"}
    listed = given.get("rule", [{"name": name} for name in standing] if texts else [])
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ValueError("rule must be a list of tables, each under [[rule]]")
    found: dict[str, Rule] = {}
    for raw in listed:
        name = str(raw.get("name", ""))
        base = rulebook.written(standing[name]) if name in standing else {}
        try:
            rule = rulebook.from_written(base | raw)
        except RulesError as error:
            raise ValueError(f"rule {name}: {error}") from None
        if rule.stream == "liveness":
            raise ValueError(f"rule {name}: a device cannot decide on liveness")
        if rule.name in found:
            raise ValueError(f"rule {name}: there are two of this name")
        found[rule.name] = msgspec.structs.replace(rule.for_device(device), devices=("*",))
    return tuple(found.values())


def _modem(given: dict[str, Any]) -> ModemConfig | None:
    section = _section(given, "modem", ModemConfig.__struct_fields__)
    if section is None:
        return None
    if "port" not in section:
        raise ValueError('modem.port is missing, as in port = "/dev/ttyUSB0"')
    texts = {key: _text(section, key, "") for key in ("pin", "balance") if key in section}
    baud = _whole(section, "baud", 115_200, (1_200, 921_600))
    return ModemConfig(port=_text(section, "port", "/dev/ttyUSB0"), baud=baud, **texts)


def _internet(given: dict[str, Any]) -> InternetConfig:
    section = _section(given, "internet", InternetConfig.__struct_fields__) or {}
    targets = section.get("targets", [])
    if not isinstance(targets, list) or not all(isinstance(each, str) for each in targets):
        raise ValueError('internet.targets must be a list, as in ["tcp://1.1.1.1:53"]')
    for target in targets:
        parse_target(target)
    every = _duration(section, "every", "15s", PROBES)
    return InternetConfig(targets=tuple(targets), every=every)


def _whole(given: dict[str, Any], key: str, default: int, limits: tuple[int, int]) -> int:
    value = given.get(key, default)
    low, high = limits
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise ValueError(f"{key} = {value!r} must be a whole number from {low:,} to {high:,}")


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
