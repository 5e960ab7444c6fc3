"""Durations as people write them in Prometheus: ``90s``, ``1h30m``, ``2d``, ``500ms``."""

import re
from datetime import timedelta
from typing import Any, Self

UNITS_US = {
    "w": 604_800_000_000,
    "d": 86_400_000_000,
    "h": 3_600_000_000,
    "m": 60_000_000,
    "s": 1_000_000,
    "ms": 1_000,
}
PART = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)(ms|[wdhms])")
WHOLE = re.compile(rf"(?:{PART.pattern})+")
LONGEST_US = 366 * UNITS_US["d"]


class Duration(timedelta):
    """A span of time that is written and read as text, at most 366 days."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the duration written in ``text``; a bare ``0`` is none.

        Raises:
            ValueError: it is not a duration; the sentence shows what would be.
        """
        if text == "0":
            return cls()
        if not WHOLE.fullmatch(text):
            raise ValueError(f"{text!r} is not a duration; write it as 90s, 2m or 1h30m")
        span = sum(round(float(number) * UNITS_US[unit]) for number, unit in PART.findall(text))
        if span % UNITS_US["ms"]:
            raise ValueError(f"{text!r} is finer than a millisecond")
        if span > LONGEST_US:
            raise ValueError(f"{text!r} is longer than 366 days")
        return cls(microseconds=span)

    def __str__(self) -> str:
        """Return it as it is written: the largest units first, ``0s`` for none."""
        rest, text = round(self.total_seconds() * 1_000_000), ""
        for unit, size in UNITS_US.items():
            if rest >= size:
                text += f"{rest // size}{unit}"
                rest %= size
        return text or "0s"


def dec_hook(kind: type, value: Any) -> Any:
    """Return ``value`` as a ``kind`` that msgspec does not know: the only one is Duration."""
    if kind is Duration and isinstance(value, str):
        return Duration.parse(value)
    if kind is Duration:
        raise ValueError(f'{value!r} is not a duration; write it in quotes, as "90s" or "2m"')
    raise NotImplementedError(kind)  # as msgspec asks of a hook


def enc_hook(value: Any) -> Any:
    """Return ``value``, which msgspec does not know, as it is written: the only one is Duration."""
    if isinstance(value, Duration):
        return str(value)
    raise NotImplementedError(type(value))  # as msgspec asks of a hook
