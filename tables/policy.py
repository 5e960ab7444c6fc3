"""The rules of a device on one stream, made ready to decide. Pure."""

from collections.abc import Callable
from functools import lru_cache

import msgspec

from tables.condition import CAUSES, PATHS, Test, Value, compiled, getter
from tables.facts import Facts
from tables.rules import Rule

REMEMBERED = 4_096  # contexts of which a policy knows the signals; a device lives in a few
Signals = tuple[bool | None, ...]


class Watch(msgspec.Struct, frozen=True):
    """A rule made ready.

    signal: returns whether its condition holds; None if it is as it was.
    cause: the facts that a decision tells, by name.
    """

    rule: Rule
    signal: Test
    cause: tuple[tuple[str, Callable[[Facts], Value]], ...]


class Policy:
    """The rules in force for a device on one stream, ordered by name, ready to decide.

    signals: returns what each rule's condition says of the facts. quiet: what a tick says.
    places: where in ``watches`` each rule is.
    """

    def __init__(self, stream: str, rules: tuple[Rule, ...]) -> None:
        """Make ready ``rules``, all of which are for ``stream`` and the same device."""
        self.stream = stream
        self.watches = tuple(_watch(rule) for rule in sorted(rules, key=lambda rule: rule.name))
        self.rules = {watch.rule.name: watch.rule for watch in self.watches}
        self.places = {watch.rule.name: place for place, watch in enumerate(self.watches)}
        self.quiet: Signals = (None,) * len(self.watches)
        self._tests = tuple(watch.signal for watch in self.watches)
        read = {field for watch in self.watches for field, _ in watch.cause}
        # Contexts are few and return; readings hardly do.
        self.signals: Callable[[Facts], Signals] = (
            self._signals if read & PATHS.keys() else lru_cache(REMEMBERED)(self._signals)
        )

    def _signals(self, facts: Facts) -> Signals:
        return tuple([test(facts) for test in self._tests])


class Policies:
    """The policies of all devices on one stream under one set of rules."""

    def __init__(self, rules: tuple[Rule, ...], stream: str) -> None:
        """Make ready those of ``rules`` that are for ``stream``."""
        self._stream = stream
        self._rules = tuple(rule for rule in rules if rule.stream == stream)
        alike = all(rule.devices == ("*",) and not rule.override for rule in self._rules)
        self._common = Policy(stream, self._rules) if alike else None
        self._of: dict[str, Policy] = {}

    def of(self, device: str) -> Policy:
        """Return the policy of ``device``; the same object each time."""
        if self._common is not None:
            return self._common
        if device not in self._of:
            rules = tuple(rule.for_device(device) for rule in self._rules if rule.names(device))
            self._of[device] = Policy(self._stream, rules)
        return self._of[device]


def _watch(rule: Rule) -> Watch:
    cause = sorted({*CAUSES[rule.stream], *rule.when.fields()})
    return Watch(rule, _signal(rule), tuple((field, getter(field)) for field in cause))


def _signal(rule: Rule) -> Test:
    when, needs = compiled(rule.when), rule.needs
    clear_when = None if rule.clear_when is None else compiled(rule.clear_when)
    if needs is None and clear_when is None:
        return when

    def signal(facts: Facts) -> bool | None:
        if needs is not None and needs not in facts.named:
            return None
        verdict = when(facts)
        if clear_when is None or verdict:
            return verdict
        return False if clear_when(facts) else None

    return signal
