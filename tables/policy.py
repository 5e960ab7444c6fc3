"""The rules of a device on one stream, made ready to decide. Pure."""

from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import Any

import msgspec

from schemas.decision import Decision, Fact
from tables.condition import CAUSES, Operand, compiled, expression, path
from tables.facts import Facts
from tables.rules import Rule, RulesError, from_written, useful_for

Signals = tuple[bool | None, ...]


class Watch(msgspec.Struct, frozen=True):
    """A rule made ready. cause: returns what its decisions tell of the facts, by name."""

    rule: Rule
    cause: Callable[[Facts], dict[str, Fact]]


class Policy:
    """The rules in force for a device on one stream, ordered by name, ready to decide.

    signals: returns of each rule whether its condition holds; None if it is as it was.
    quiet: what they are when only time has passed. places: where in ``watches`` each rule is.
    """

    def __init__(self, stream: str, rules: tuple[Rule, ...]) -> None:
        """Make ready ``rules``, all of which are for ``stream`` and the same device."""
        self.stream = stream
        self.watches = tuple(_watch(rule) for rule in sorted(rules, key=lambda rule: rule.name))
        self.rules = {watch.rule.name: watch.rule for watch in self.watches}
        self.places = {watch.rule.name: place for place, watch in enumerate(self.watches)}
        self.quiet: Signals = (None,) * len(self.watches)
        operands: list[Operand] = []
        tests = [_signal(watch.rule, operands) for watch in self.watches]
        self.signals: Callable[[Facts], Signals] = compiled(f"({''.join(tests)})", operands)

    def useful_for(self, decision: Decision) -> timedelta:
        """Return for how long after ``decision`` a message of it helps."""
        return useful_for(decision.kind, self.rules.get(decision.rule))


class Policies:
    """The policies of all devices on one stream under one set of rules.

    common: that of every device, where no rule makes a difference between them.
    """

    def __init__(self, rules: tuple[Rule, ...], stream: str) -> None:
        """Make ready those of ``rules`` that are for ``stream``."""
        self._stream = stream
        self._rules = tuple(rule for rule in rules if rule.stream == stream)
        alike = all(rule.devices == ("*",) and not rule.override for rule in self._rules)
        self.common = Policy(stream, self._rules) if alike else None
        self._of: dict[tuple[str, bytes], Policy] = {}
        self._by_rules: dict[tuple[Rule, ...], Policy] = {}

    def of(self, device: str, own: bytes = b"") -> Policy:
        """Return the policy of ``device``; the same object each time.

        own: what it decides by itself, as ``owned`` reads it: that replaces rules of those names.
        """
        if self.common is not None and not own:
            return self.common
        place = device, own
        if place not in self._of:
            self._of[place] = self._made(device, owned(own) if own else ())
        return self._of[place]

    def _made(self, device: str, own: tuple[Rule, ...]) -> Policy:
        replaced = {rule.name for rule in own}
        kept = (rule for rule in self._rules if rule.name not in replaced and rule.names(device))
        mine = (rule for rule in own if rule.stream == self._stream)
        rules = (*(rule.for_device(device) for rule in kept), *mine)
        if rules not in self._by_rules:
            self._by_rules[rules] = Policy(self._stream, rules)
        return self._by_rules[rules]


@lru_cache(maxsize=1024)
def owned(own: bytes) -> tuple[Rule, ...]:
    """Return the rules that a device decides by itself; ``own``: a JSON array of them.

    Raises:
        RulesError: one of them is none, or of a stream that no device decides on.
    """
    rules = tuple(from_written(raw) for raw in msgspec.json.decode(own, type=list[dict[str, Any]]))
    for rule in rules:
        if rule.stream == "liveness":
            raise RulesError(f"rule {rule.name}: no device decides on {rule.stream}")
    return rules


def _watch(rule: Rule) -> Watch:
    cause = sorted({*CAUSES[rule.stream], *rule.when.fields()})
    told = ", ".join(f"{field!r}: {path(field)}" for field in cause)
    return Watch(rule, compiled(f"{{{told}}}"))


def _signal(rule: Rule, operands: list[Operand]) -> str:
    """Return the part of a tuple that is the signal of ``rule``."""
    signal = expression(rule.when, operands)
    if rule.clear_when is not None:
        clear = expression(rule.clear_when, operands)
        signal = f"(True if {signal} else False if {clear} else None)"
    if rule.needs is not None:
        operands.append(rule.needs)
        signal = f"({signal} if k{len(operands) - 1} in facts.named else None)"
    return f"{signal},"
