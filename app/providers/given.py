"""What providers' URLs have in common: options, time-outs, and how one says what is wrong."""

import math
import re
from collections.abc import Collection
from typing import NoReturn
from urllib.parse import unquote

from app.settings import SettingsError
from schemas.delivery import Channel

API = re.compile(r"https?://[^\s/?#]+")
SHORTEST_S, LONGEST_S = 0.05, 600.0
LONGEST_PAUSE_S = 86_400.0


def read_seconds(retry_after: str) -> float | None:
    """Return a Retry-After in seconds; of a date nobody knows whose clock it is by."""
    return min(float(retry_after), LONGEST_PAUSE_S) if retry_after.isdecimal() else None


def wrong(channel: Channel, what: str, remedy: str) -> NoReturn:
    """Raise a SettingsError. What was given is never repeated: it may hold a secret."""
    raise SettingsError(f"{channel}: {what}: {remedy}") from None


def read_options(channel: Channel, query: str, known: Collection[str]) -> dict[str, str]:
    """Return the options in a URL's ``query``, each of them one of ``known``.

    Raises:
        SettingsError: one is not, or is there twice, or is not UTF-8.
    """
    options: dict[str, str] = {}
    for number, pair in enumerate(filter(None, query.split("&")), 1):
        name, _, value = pair.partition("=")
        if name not in known:  # which may be a piece of a secret
            wrong(channel, f"option {number} is unknown", f"there are {', '.join(known)}")
        if name in options:
            wrong(channel, f"the option {name} is there twice", "leave one of them out")
        try:
            options[name] = unquote(value, errors="strict")  # unlike parse_qs, "+" stays as it is
        except UnicodeDecodeError:
            wrong(channel, f"{name} is not UTF-8", "percent-encode its UTF-8 bytes")
    return options


def read_api(channel: Channel, given: str) -> str:
    """Return the place of an API that ``given`` is, or empty: the provider's own.

    Raises:
        SettingsError: it is no such place.
    """
    if given and not API.fullmatch(given):
        wrong(channel, "api is no place", "write it as api=https://host:port")
    return given


def read_timeout(channel: Channel, given: str | None, default_s: float) -> float:
    """Return the seconds that ``given`` says, if it says any.

    Raises:
        SettingsError: it does not, or too few or too many.
    """
    try:
        timeout_s = default_s if given is None else float(given)
    except ValueError:
        timeout_s = math.nan
    if not SHORTEST_S <= timeout_s <= LONGEST_S:
        example = f"write seconds, as in timeout={default_s:.0f}"
        wrong(channel, "timeout is not from 0.05 to 600", example)
    return timeout_s
