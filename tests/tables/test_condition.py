"""Conditions: three values, and what a rules file may not say."""

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables import rules
from tables.condition import FIELDS, Condition, Operand, Value, compiled, expression
from tables.policy import Policies
from tables.rules import Rule, RulesError

HEAD = '[[rule]]\nname = "x"\nstream = "transitions"\n'
PROBES = HEAD.replace("transitions", "probes")
WHEN = 'when = { field = "source", equals = "grid" }\n'


def deep(levels: int) -> str:
    """Return a condition within conditions."""
    inner = '{ field = "power_w", above = 3 }'
    return "{ any = [" * (levels - 1) + inner + "] }" * (levels - 1)


def holds(written: dict[str, Any], **facts: Value) -> bool | None:
    known = dict.fromkeys(FIELDS) | facts
    named = SimpleNamespace(**known, energy=SimpleNamespace(**known))
    operands: list[Operand] = []
    code = expression(msgspec.convert(written, Condition), operands)
    verdict: bool | None = compiled(code, operands)(named)
    return verdict


@pytest.mark.parametrize(
    ("written", "facts", "expected"),
    [
        ({"field": "source", "equals": "grid"}, {}, None),
        ({"field": "source", "equals": "grid"}, {"source": "grid"}, True),
        ({"field": "source", "in": ["grid", "none"]}, {"source": "none"}, True),
        ({"field": "in_window", "equals": False}, {"source": "grid", "in_window": None}, False),
        ({"field": "in_window", "not_equals": True}, {"source": "grid", "in_window": None}, True),
        ({"field": "in_window", "equals": False}, {"in_window": False}, None),
        ({"field": "due", "contains": "grid"}, {"due": ("grid",)}, True),
        ({"field": "soc_pct", "below": 20}, {"soc_pct": 20.0}, False),
        ({"field": "soc_pct", "above": 19.5}, {"soc_pct": 20.0}, True),
    ],
)
def test_an_operator(written: dict[str, Any], facts: dict[str, Value], expected: object) -> None:
    assert holds(written, **facts) is expected


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=4))
def test_all_and_any_know_three_values(parts: list[bool | None]) -> None:
    names = ["power_w", "energy_wh", "battery_v", "soc_pct"][: len(parts)]
    written = [{"field": name, "equals": 1} for name in names]
    facts = {
        name: None if part is None else float(part) for name, part in zip(names, parts, strict=True)
    }

    every = False if False in parts else None if None in parts else True
    some = True if True in parts else None if None in parts else False
    assert holds({"all": written}, **facts) is every
    assert holds({"any": written}, **facts) is some


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("= 1", "r.toml: not TOML: Invalid statement (at line 1, column 1)"),
        (HEAD, "rule x: Object missing required field `when`"),
        (HEAD + WHEN + 'fro = "2m"', "rule x: there is no key `fro`; `for` is meant?"),
        (HEAD + WHEN + 'for = "2 min"', "rule x: key `for`: '2 min' is not a duration"),
        (HEAD + WHEN + "for = 120", "write it in quotes"),
        (HEAD + WHEN + 'repeat = true\nreset = "5s"', "needs a reset of at least"),
        (HEAD + WHEN + "pulse = true", 'needs for = "0s"'),
        (HEAD + WHEN + HEAD + WHEN, "there are two of this name"),
        (HEAD + 'when = { field = "gird", equals = "x" }', "no field `gird`; there are source"),
        (HEAD + 'when = { field = "source", equals = "x" }', "one of grid, generator"),
        (HEAD + 'when = { field = "source", above = 3 }', "use equals or not_equals or in"),
        (HEAD + 'when = { field = "power_w", above = 3 }', "has no field `power_w`"),
        (HEAD + 'when = { field = "source", equals = "grid", in = ["none"] }', "exactly one"),
        (HEAD + "x = " + "[" * 2_000, "not TOML"),
        (HEAD + WHEN + f'for = "{"9" * 400}d"', "is not a duration"),
        (HEAD + WHEN + 'for = "1.5ms"', "finer than a millisecond"),
        (PROBES + 'when = { field = "power_w", above = inf }', "a number, not with inf"),
        (PROBES + f"when = {deep(17)}", "more than 16 deep"),
        (HEAD + "when = { all = [] }", "needs at least one condition"),
        (HEAD + "when = { }", "a condition has a `field`"),
        (
            HEAD + WHEN + 'pulse = true\nfor = "0s"\noverride = [{ devices = ["*"], for = "5s" }]',
            'needs for = "0s"',
        ),
    ],
)
def test_a_mistake_is_refused_with_what_would_be_right(text: str, sentence: str) -> None:
    with pytest.raises(RulesError) as refused:
        rules.parse(text, "r.toml")

    assert sentence in str(refused.value)
    assert str(refused.value).startswith("r.toml: ")


@pytest.mark.parametrize(
    "rule", [*rules.default(), *rules.parse(PROBES + f"when = {deep(16)}", "")]
)
def test_what_is_accepted_can_be_written_read_and_decided_on(rule: Rule) -> None:
    assert rules.from_written(rules.written(rule)) == rule
    assert len(Policies((rule,), rule.stream).of("home").watches) == 1


def test_the_default_rules_are_those_of_the_design() -> None:
    assert [rule.name for rule in rules.default()] == [
        "battery_low",
        "device_silent",
        "gap",
        "generator_failed_to_start",
        "generator_outside_window",
        "grid_lost",
        "inverter_draining",
        "inverter_overload",
        "source_none",
    ]
