"""Conditions: typed data over one event, its context and what its stream has accumulated.

A field never seen is unknown (None). ``all`` with one false is false, ``any`` with one true is
true; else one unknown part makes the whole unknown.
"""

from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import Any

import msgspec

from schemas.events import Source

Value = bool | float | str | tuple[str, ...] | None
Operand = Value | tuple[float | str, ...]

OPERATORS = ("equals", "not_equals", "in_", "contains", "above", "below")
SOURCE, FLAG, SOURCES, NUMBER = "a source", "true or false", "a list of sources", "a number"
FIELDS = {
    "source": SOURCE,
    "in_window": FLAG,
    "due": SOURCES,
    "online": FLAG,
    "power_w": NUMBER,
    "energy_wh": NUMBER,
    "battery_v": NUMBER,
    "soc_pct": NUMBER,
    "drained_wh": NUMBER,
    "silent": FLAG,
    "missing": NUMBER,
    "rolled_back": FLAG,
}
CONTEXT = ("source", "in_window", "due", "online")
NOTICED = ("silent", "missing", "rolled_back")
PATHS = {
    name: f"presence.{name}" if name in NOTICED else f"energy.{name}"
    for name in FIELDS
    if name not in CONTEXT
} | {name: f"presence.{name}" for name in ("heard", "lost_on")}
CONTEXT_FIELDS = ("source", "in_window", "due")
CAUSES = {  # what every decision of a stream tells, besides what its rule names
    "transitions": CONTEXT_FIELDS,
    "probes": CONTEXT_FIELDS,
    "liveness": ("heard", "lost_on"),
}
STREAM_FIELDS = {
    "transitions": CONTEXT,
    "probes": tuple(name for name in FIELDS if name not in NOTICED),
    "liveness": NOTICED,
}
ALLOWED = {
    SOURCE: ("equals", "not_equals", "in_"),
    FLAG: ("equals", "not_equals"),
    SOURCES: ("contains",),
    NUMBER: ("equals", "not_equals", "in_", "above", "below"),
}


class Written(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename={"in_": "in", "for_": "for"},
):
    """What people write in a rules file: a key that nobody knows is a mistake."""


class Condition(Written, frozen=True, kw_only=True):
    """One operator on one field, or ``all`` / ``any`` of conditions."""

    field: str | None = None
    equals: bool | float | str | None = None
    not_equals: bool | float | str | None = None
    in_: tuple[float | str, ...] | None = None
    contains: str | None = None
    above: float | None = None
    below: float | None = None
    all: tuple["Condition", ...] | None = None
    any: tuple["Condition", ...] | None = None

    def __post_init__(self) -> None:
        """Refuse what is not exactly one operator of the field's kind, or one of all and any."""
        given = [name for name in OPERATORS if getattr(self, name) is not None]
        groups = [name for name in ("all", "any") if getattr(self, name) is not None]
        if self.field is None:
            if given or len(groups) != 1:
                raise ValueError("a condition has a `field` and one operator, or `all`, or `any`")
            if not (self.all or self.any):
                raise ValueError(f"`{groups[0]}` needs at least one condition")
            return
        if self.field not in FIELDS:
            raise ValueError(f"no field `{self.field}`; there are {', '.join(FIELDS)}")
        if groups or len(given) != 1:
            written = ", ".join(name.rstrip("_") for name in OPERATORS)
            raise ValueError(f"`{self.field}` needs exactly one operator of {written}")
        self._check(FIELDS[self.field], given[0])

    def _check(self, kind: str, operator: str) -> None:
        if operator not in ALLOWED[kind]:
            right = " or ".join(name.rstrip("_") for name in ALLOWED[kind])
            raise ValueError(f"`{self.field}` is {kind}: use {right}")
        operand = getattr(self, operator)
        for value in operand if isinstance(operand, tuple) else (operand,):
            if not _fits(kind, value):
                wanted = f"one of {', '.join(Source)}" if kind in (SOURCE, SOURCES) else kind
                raise ValueError(f"`{self.field}` is compared with {wanted}, not with {value!r}")

    def depth(self) -> int:
        """Return how deep conditions stand within it; 1: it is a field's."""
        parts = (*(self.all or ()), *(self.any or ()))
        return 1 + max((part.depth() for part in parts), default=0)

    def fields(self) -> Iterator[str]:
        """Yield every field the condition names, in order, perhaps more than once."""
        if self.field is not None:
            yield self.field
        for part in (*(self.all or ()), *(self.any or ())):
            yield from part.fields()


def _fits(kind: str, value: object) -> bool:
    if kind in (SOURCE, SOURCES):
        return isinstance(value, str) and value in set(Source)
    if kind == FLAG:
        return isinstance(value, bool)
    return isinstance(value, float | int) and not isinstance(value, bool) and isfinite(value)


def path(field: str) -> str:
    """Return where ``field`` stands in the facts, as a Python expression."""
    return f"facts.{PATHS.get(field, field)}"


def compiled(code: str, operands: Sequence[Operand] = ()) -> Callable[[Any], Any]:
    """Return the function of ``facts`` that ``code`` is the body of; ``operands`` are k0, k1, …"""
    names = {f"k{place}": operand for place, operand in enumerate(operands)}
    made: Callable[[Any], Any] = eval(f"lambda facts: {code}", names)  # noqa: S307 - our own text
    return made


def expression(condition: Condition, operands: list[Operand]) -> str:
    """Return a Python expression that tells whether ``condition`` holds; None: that is unknown.

    operands: what is compared with is added here. Nothing that a user wrote is in the expression.
    """
    if condition.field is not None:
        return _compared(condition, operands)
    decisive = condition.all is None
    tests, unknown = [], []
    for part in condition.all or condition.any or ():
        code, place = expression(part, operands), len(operands)
        tests.append(f"(v{place} := {code}) is {decisive}")
        unknown.append(f"v{place} is None")
    return (
        f"({decisive} if {' or '.join(tests)} else"
        f" None if {' or '.join(unknown)} else {not decisive})"
    )


def _compared(condition: Condition, operands: list[Operand]) -> str:
    name = next(name for name in OPERATORS if getattr(condition, name) is not None)
    value, k = path(str(condition.field)), f"k{len(operands)}"
    operands.append(getattr(condition, name))
    if condition.field == "in_window":  # null is a value here: the source has no window
        return f"(None if facts.source is None else {COMPARISONS[name].format(value, k)})"
    return f"(None if (v := {value}) is None else {COMPARISONS[name].format('v', k)})"


COMPARISONS = {
    "equals": "{} == {}",
    "not_equals": "{} != {}",
    "in_": "{} in {}",
    "contains": "{1} in {0}",
    "above": "{} > {}",
    "below": "{} < {}",
}
