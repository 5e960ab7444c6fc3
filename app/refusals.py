"""What was refused when something was read, in words that say what would have been right."""

import re

import msgspec
from msgspec import inspect

PLACE = re.compile(r" - at `(?:key in )?\$\.?(\w*)[^`]*`$")
UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
MISSING = re.compile(r"Object missing required field `(.*)`")
TIME = "a time with its zone, as 2026-01-15T22:00:00Z"


def words(error: msgspec.ValidationError, kind: type[msgspec.Struct]) -> tuple[str, str]:
    """Return which field of ``kind`` was refused, or nothing, and what was expected there.

    What a field has as the ``description`` of its type is said in the place of its form.
    """
    said = str(error)
    place = PLACE.search(said)
    what = said[: place.start()] if place else said
    if unknown := UNKNOWN.fullmatch(what):
        return "", f"there is no {unknown[1]!r}; there are {', '.join(kind.__struct_fields__)}"
    if missing := MISSING.fullmatch(what):
        return "", f"{missing[1]} is missing"
    types = {field.name: field.type for field in msgspec.structs.fields(kind)}
    name = place[1] if place else ""
    expected = _expected(inspect.type_info(types[name])) if name in types else ""
    return name, f"expected {expected}" if expected else what


def _expected(of: inspect.Type) -> str:
    expected = ""
    match of:
        case inspect.Metadata(extra_json_schema={"description": description}):
            expected = str(description)
        case inspect.Metadata(type=inner):
            expected = _expected(inner)
        case inspect.EnumType(cls=choices):
            expected = "one of " + ", ".join(str(each.value) for each in choices)
        case inspect.BoolType():
            expected = "true or false"
        case inspect.DateTimeType():
            expected = TIME
        case inspect.IntType(ge=int(low), le=int(high)):
            expected = f"a whole number from {low} to {high}"
        case inspect.VarTupleType():
            expected = "a list"
        case inspect.StrType(min_length=least, max_length=int(most)):
            expected = f"a text of {least or 0} to {most} characters"
    return expected
