"""Rules as dicts, from a rules file: durations as timedeltas, operators as functions."""

import operator
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

Record = dict[str, Any]  # an event, a state, an alert, a rule, a decision

RULES_FILE = Path(__file__).parents[2] / "tables" / "default_rules.toml"
DURATIONS = {"for": "120s", "reset": "1h", "clear_for": "60s"}
UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
CONTEXT = ("source", "in_window", "due")
COMPARISONS = {
    "equals": operator.eq,
    "not_equals": operator.ne,
    "in": lambda value, operand: value in operand,
    "contains": operator.contains,
    "above": operator.gt,
    "below": operator.lt,
}


def load_rules(stream: str, file: Path = RULES_FILE) -> Record:
    """Return the rules of ``stream``, ordered by name, with their durations and comparisons."""
    written = tomllib.loads(file.read_text(encoding="utf-8"))["rule"]
    rules = [_rule(raw) for raw in written if raw["stream"] == stream]
    return {"stream": stream, "rules": sorted(rules, key=lambda rule: rule["name"])}


def _rule(raw: Record) -> Record:
    severity = raw.get("severity", "warning")
    rule = {"needs": None, "repeat": severity == "critical", "severity": severity, **raw}
    for name, default in DURATIONS.items():
        rule[name] = _duration(raw.get(name, default))
    rule["when"] = _condition(raw["when"])
    rule["clear_when"] = _condition(raw["clear_when"]) if "clear_when" in raw else None
    rule["cause"] = sorted({*CONTEXT, *_fields(rule["when"])})
    return rule


def _duration(text: str) -> timedelta:
    parts = re.findall(r"(\d+)([wdhms])", text)
    return timedelta(**{UNITS[unit]: int(number) for number, unit in parts})


def _condition(raw: Record) -> Record:
    for group in ("all", "any"):
        if group in raw:
            return {group: [_condition(part) for part in raw[group]]}
    (name,) = raw.keys() - {"field"}
    return {"field": raw["field"], "compare": COMPARISONS[name], "operand": raw[name]}


def _fields(condition: Record) -> set[str]:
    if "field" in condition:
        return {condition["field"]}
    parts = condition.get("all") or condition["any"]
    return {field for part in parts for field in _fields(part)}
