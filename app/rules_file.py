"""The rules that were always in force: one file, or the default rules."""

from pathlib import Path

from tables import rules
from tables.rules import Rule, RulesError


def load(path: str | Path | None) -> tuple[Rule, ...]:
    """Return the rules in the file at ``path``; without one, the default rules.

    Raises:
        RulesError: it cannot be read, or holds a mistake.
    """
    if path is None:
        return rules.default()
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: cannot be read: {error}") from None
    return rules.parse(text, str(path))
