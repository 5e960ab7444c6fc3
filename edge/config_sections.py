"""The parts of ``notifications.config``: each is read, checked, and refused in a sentence."""

import re
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec

from edge.internet import parse_target
from schemas.duration import Duration
from tables import rules as rulebook
from tables.rules import Rule, RulesError

PROBES = (timedelta(seconds=1), timedelta(hours=1))
NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")  # ITU-T E.164
MOST_NUMBERS = 20
LONGEST_DEVICE = 200
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


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


class SecurityConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How the broker knows us, and we it. ca: certificates to trust, besides the system's.

    password_file: holds the password and nothing else.
    """

    tls: bool = True
    ca: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    mechanism: str = "SCRAM-SHA-512"


def check_keys(given: dict[str, Any], known: tuple[str, ...], section: str = "") -> None:
    """Return if every key of ``given`` is known; ``section``: where they stand."""
    for key in given.keys() - set(known):
        near = get_close_matches(key, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise ValueError(f"there is no setting {section}{key}; {hint}")


def section(given: dict[str, Any], name: str, known: tuple[str, ...]) -> dict[str, Any] | None:
    """Return the table ``name``; None if there is none."""
    section = given.get(name)
    if section is None:
        return None
    if isinstance(section, dict):
        check_keys(section, known, f"{name}.")
        return section
    raise ValueError(f"{name} must be a table, as in [{name}]")


def numbers(given: dict[str, Any]) -> tuple[str, ...]:
    """Return whom to text."""
    value = given.get("numbers", [])
    if not isinstance(value, list) or len(value) > MOST_NUMBERS:
        raise ValueError(f"numbers must be a list of at most {MOST_NUMBERS} numbers")
    for number in value:
        if not isinstance(number, str) or not NUMBER.fullmatch(number):
            raise ValueError(f"numbers: {number!r} is not a number, as in +2348012345678")
    return tuple(dict.fromkeys(value))


def rules(given: dict[str, Any], device: str, *, texts: bool) -> tuple[Rule, ...]:
    """Return the rules listed; if there are none but somebody to text, the default ones."""
    standing = {rule.name: rule for rule in rulebook.default() if rule.stream != "liveness"}
    listed = given.get("rule", [{"name": name} for name in standing] if texts else [])
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise ValueError("rule must be a list of tables, each under [[rule]]")
    found: dict[str, Rule] = {}
    for number, raw in enumerate(listed, 1):
        name = str(raw.get("name", ""))
        if not name:
            raise ValueError(f'rule number {number}: it needs a name, as in name = "grid_lost"')
        if name not in standing and "stream" not in raw:
            near = get_close_matches(name, standing, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(standing)}"
            raise ValueError(
                f"rule {name}: no default rule is called that; {hint} A rule of your own needs "
                "stream and when"
            )
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


def modem(given: dict[str, Any]) -> ModemConfig | None:
    """Return the section ``modem``."""
    found = section(given, "modem", ModemConfig.__struct_fields__)
    if found is None:
        return None
    if "port" not in found:
        raise ValueError('modem.port is missing, as in port = "/dev/ttyUSB0"')
    texts = {key: text(found, key, "") for key in ("pin", "balance") if key in found}
    baud = whole(found, "baud", 115_200, (1_200, 921_600))
    return ModemConfig(port=text(found, "port", "/dev/ttyUSB0"), baud=baud, **texts)


def internet(given: dict[str, Any]) -> InternetConfig:
    """Return the section ``internet``."""
    found = section(given, "internet", InternetConfig.__struct_fields__) or {}
    targets = found.get("targets", [])
    if not isinstance(targets, list) or not all(isinstance(each, str) for each in targets):
        raise ValueError('internet.targets must be a list, as in ["tcp://1.1.1.1:53"]')
    for target in targets:
        parse_target(target)
    every = duration(found, "every", "15s", PROBES)
    return InternetConfig(targets=tuple(targets), every=every)


def whole(given: dict[str, Any], key: str, default: int, limits: tuple[int, int]) -> int:
    """Return the whole number at ``key``, within ``limits``."""
    value = given.get(key, default)
    low, high = limits
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise ValueError(f"{key} = {value!r} must be a whole number from {low:,} to {high:,}")


def text(given: dict[str, Any], key: str, default: str) -> str:
    """Return the text at ``key``."""
    value = given.get(key, default)
    if isinstance(value, str) and value and value.isprintable():
        return value
    raise ValueError(f'{key} = {value!r} must be a text in quotes, as in {key} = "{default}"')


def device(given: dict[str, Any]) -> str:
    """Return the device's name."""
    if "device" not in given:
        raise ValueError('device is missing; say which one this is, as in device = "home"')
    device = text(given, "device", "home")
    if device != device.strip() or len(device) > LONGEST_DEVICE:
        raise ValueError(f"device must be 1 to {LONGEST_DEVICE} characters, without outer spaces")
    return device


def duration(
    given: dict[str, Any], key: str, default: str, limits: tuple[timedelta, timedelta]
) -> timedelta:
    """Return the duration at ``key``, within ``limits``."""
    try:
        span = Duration.parse(text(given, key, default))
    except ValueError as error:
        raise ValueError(f"{key}: {str(error).removeprefix(f'{key} = ')}") from None
    if not limits[0] <= span <= limits[1]:
        low, high = (Duration(seconds=limit.total_seconds()) for limit in limits)
        raise ValueError(f'{key} = "{given[key]}" is not between {low} and {high}')
    return span


def security(given: dict[str, Any], folder: Path) -> SecurityConfig | None:
    """Return the section ``security``; relative paths in it start at ``folder``."""
    found = section(given, "security", SecurityConfig.__struct_fields__)
    if found is None:
        return None
    tls, mechanism = found.get("tls", True), found.get("mechanism", "SCRAM-SHA-512")
    if not isinstance(tls, bool):
        raise ValueError("security.tls must be true or false")  # noqa: TRY004 - a wrong setting
    if mechanism not in MECHANISMS:
        raise ValueError(f"security.mechanism must be one of {', '.join(MECHANISMS)}")
    username = text(found, "username", "ikeja-0042") if "username" in found else None
    if (username is None) != ("password_file" not in found):
        raise ValueError("security.username and security.password_file go together")
    paths = {key: folder / text(found, key, "file") for key in ("ca", "password_file")
             if key in found}  # fmt: skip
    for key, path in paths.items():
        _readable(f"security.{key}", path)
    return SecurityConfig(tls=tls, username=username, mechanism=mechanism, **paths)


def _readable(key: str, path: Path) -> None:
    try:
        path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{key}: {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{key}: {path} is not UTF-8 text") from None
