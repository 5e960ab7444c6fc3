"""A folder of templates that somebody made: what of it nothing looks for."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from jinja2 import Environment, TemplateSyntaxError
from jinja2.meta import find_referenced_templates

from schemas.delivery import Channel

LANGUAGE = re.compile(r"[a-z]{2}")  # ISO 639-1
BY_RULE = ("problem", "subject", "short", *(each.value for each in Channel))
ALONE = ("email.html", "over", "over_subject", "several", "subject_several")


def ignored(folder: Path, rules: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each template in ``folder`` that is never used, with the likely reason.

    rules: the names there are.
    """
    templates = {each.relative_to(folder).as_posix(): each for each in folder.rglob("*.j2")}
    named = {name for each in templates.values() for name in _named(each)}
    for name in sorted(templates.keys() - named):
        if reason := _reason(name.removesuffix(".j2").split("/"), rules):
            yield f"{folder / name} is never used: {reason}"


def _reason(parts: list[str], rules: Collection[str]) -> str:
    if len(parts) == 1 or not LANGUAGE.fullmatch(parts[0]):
        return "it is in no folder of a language, as en"
    _, kind, *rule = parts
    known = BY_RULE if rule else (*BY_RULE, *ALONE)
    if kind not in known:
        return f"there is no {kind}; there are {', '.join(known)}"
    if rule and "/".join(rule) not in rules:
        return f"there is no rule {'/'.join(rule)}; there are {', '.join(sorted(rules))}"
    return ""


def _named(template: Path) -> set[str]:
    """Return which templates this one includes or imports; of one that is wrong, none."""
    try:
        parsed = Environment(autoescape=True).parse(template.read_text(encoding="utf-8"))
    except (TemplateSyntaxError, UnicodeDecodeError):
        return set()
    return {name for name in find_referenced_templates(parsed) if name}
