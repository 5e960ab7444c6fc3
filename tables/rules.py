"""Rules: what is watched, for how long, how often it is told. Read from TOML, checked whole."""

import difflib
import re
import tomllib
from datetime import timedelta
from fnmatch import fnmatchcase
from importlib import resources
from typing import Annotated, Any, Literal

import msgspec

from schemas.decision import Kind, Severity
from schemas.delivery import Channel
from schemas.duration import Duration, dec_hook, enc_hook
from schemas.events import Source
from tables.condition import STREAM_FIELDS, Condition, Written

RuleName = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
SHORTEST_REPEAT = timedelta(seconds=60)
USEFULNESS_INFO = Duration(hours=12)
USEFULNESS = Duration(minutes=30)
USEFULNESS_RESOLVED = Duration(hours=2)

WRONG = (msgspec.ValidationError, RecursionError)  # what msgspec raises for what people wrote
DEEPEST = 16  # a condition within conditions; Python's own parser takes about 90


class RulesError(Exception):
    """A rules file is wrong; the sentence names the file, the key and what would be right."""


class Override(Written, frozen=True, kw_only=True):
    """Other numbers for the devices it names, by shell pattern; the last that matches holds."""

    devices: tuple[str, ...]
    when: Condition | None = None
    clear_when: Condition | None = None
    for_: Duration | None = None
    reset: Duration | None = None
    clear_for: Duration | None = None
    usefulness: Duration | None = None


class Rule(Written, frozen=True, kw_only=True):
    """One rule.

    for_: how long the condition must hold. reset: how long after a message there is no other.
    clear_for: how long it must be gone. repeat: tell again at each reset; by default when critical.
    pulse: true only at its event. needs: a source that must have been named before.
    usefulness: after how long a message helps nobody; by default 12 h for info, else 30 min.
    escalate_after: after how long the next are told if nobody took note; by default never.
    """

    name: RuleName
    stream: Literal["transitions", "probes", "liveness"]
    when: Condition
    clear_when: Condition | None = None
    for_: Duration = Duration(seconds=120)
    reset: Duration = Duration(seconds=3_600)
    clear_for: Duration = Duration(seconds=60)
    repeat: bool | None = None
    pulse: bool = False
    needs: Source | None = None
    notify_resolved: bool = True
    severity: Severity = Severity.WARNING
    channels: tuple[Channel, ...] = tuple(Channel)
    usefulness: Duration | None = None
    escalate_after: Duration | None = None
    devices: tuple[str, ...] = ("*",)
    override: tuple[Override, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what can never work."""
        if self.pulse and (self.for_ or self.clear_when):
            raise ValueError(
                'a pulse is true only at its event: it needs for = "0s" and no clear_when'
            )
        if self.repeats and self.reset < SHORTEST_REPEAT:
            raise ValueError(
                'a rule that repeats needs a reset of at least "60s", or repeat = false'
            )
        for condition in filter(None, (self.when, self.clear_when)):
            if condition.depth() > DEEPEST:
                raise ValueError(f"conditions stand within conditions, more than {DEEPEST} deep")
            for field in condition.fields():
                if field not in STREAM_FIELDS[self.stream]:
                    known = ", ".join(STREAM_FIELDS[self.stream])
                    raise ValueError(f"stream {self.stream} has no field `{field}`; it has {known}")
        for each in self.override:
            self._with(each)  # which is checked as it is made

    @property
    def repeats(self) -> bool:
        """Return whether an episode is told again at each reset while it holds."""
        return self.severity is Severity.CRITICAL if self.repeat is None else self.repeat

    @property
    def useful_for(self) -> Duration:
        """Return after how long a problem's message is no longer worth sending."""
        if self.usefulness is not None:
            return self.usefulness
        return USEFULNESS_INFO if self.severity is Severity.INFO else USEFULNESS

    def names(self, device: str) -> bool:
        """Return whether the rule is for ``device``."""
        return any(fnmatchcase(device, pattern) for pattern in self.devices)

    def for_device(self, device: str) -> "Rule":
        """Return the rule with the numbers that hold for ``device``."""
        rule = self
        for each in self.override:
            if any(fnmatchcase(device, pattern) for pattern in each.devices):
                rule = rule._with(each)
        return rule

    def _with(self, override: Override) -> "Rule":
        given = {
            field: value
            for field in override.__struct_fields__
            if field != "devices" and (value := getattr(override, field)) is not None
        }
        return msgspec.structs.replace(self, override=(), **given)


def useful_for(kind: Kind, rule: Rule | None) -> Duration:
    """Return for how long after a decision of ``kind`` a message of it helps.

    rule: None when it is no more.
    """
    if kind is Kind.RESOLVED:
        return USEFULNESS_RESOLVED
    return USEFULNESS if rule is None else rule.useful_for


class RulesFile(Written, frozen=True):
    """What a rules file holds."""

    rule: tuple[Rule, ...]


def parse(text: str, file: str) -> tuple[Rule, ...]:
    """Return the rules in ``text``, ordered by name.

    Raises:
        RulesError: there is a mistake; nothing of the file may be used.
    """
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise RulesError(f"{file}: not TOML: {error}") from None
    try:
        rules = msgspec.convert(raw, RulesFile, dec_hook=dec_hook).rule
    except WRONG as error:
        raise RulesError(f"{file}: {_located(str(error), raw)}") from None
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise RulesError(f"{file}: rule {name}: key `name`: there are two of this name")
    return tuple(sorted(rules, key=lambda rule: rule.name))


def written(rule: Rule) -> dict[str, Any]:
    """Return every key of ``rule`` as in a rules file, also those that are as by default.

    A default may change; what was written keeps its meaning.
    """
    given = {
        field.encode_name: value
        for field in msgspec.structs.fields(rule)
        if (value := getattr(rule, field.name)) is not None
    }
    keys: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(given, enc_hook=enc_hook))
    return keys


def from_written(raw: dict[str, Any]) -> Rule:
    """Return the rule of which ``raw`` are the keys.

    Raises:
        RulesError: it is none.
    """
    try:
        return msgspec.convert(raw, Rule, dec_hook=dec_hook)
    except WRONG as error:
        reason, _, path = str(error).partition(" - at `$")
        key = path.strip(".`")
        raise RulesError((f"key `{key}`: " if key else "") + _suggest(reason)) from None


def default() -> tuple[Rule, ...]:
    """Return the rules in force when no file is named."""
    name = "default_rules.toml"
    return parse(resources.files("tables").joinpath(name).read_text(encoding="utf-8"), name)


def _located(sentence: str, raw: dict[str, Any]) -> str:
    """Return msgspec's ``sentence`` with its path in words: the rule by name, then the key."""
    reason, _, path = sentence.partition(" - at `$")
    reason = _suggest(reason)
    found = re.match(r"\.rule\[(\d+)\]\.?(.*)`", path)
    if found is None:
        return f"key `{path.strip('.`') or 'rule'}`: {reason}"
    entry = raw["rule"][int(found[1])]
    name = entry.get("name", f"number {int(found[1]) + 1}") if isinstance(entry, dict) else found[1]
    return f"rule {name}: " + (f"key `{found[2]}`: {reason}" if found[2] else reason)


def _suggest(reason: str) -> str:
    unknown = re.match(r"Object contains unknown field `(.*)`", reason)
    if unknown is None:
        return reason
    known = {
        msgspec_field.encode_name
        for kind in (Rule, Override, Condition, RulesFile)
        for msgspec_field in msgspec.structs.fields(kind)
    }
    close = difflib.get_close_matches(unknown[1], known, 1)
    return f"there is no key `{unknown[1]}`" + (f"; `{close[0]}` is meant?" if close else "")
