"""A version of a rule, as operators wrote it. Topic ``rules``; no version is ever written twice."""

from typing import Any

from schemas.events import Ordinal
from schemas.record import Instant, Name, Record


class RuleVersion(Record, frozen=True, kw_only=True, tag="rule"):
    """From ``effective_from`` on the rule ``name`` is ``rule``; None ends it.

    version: 1, 2, 3 …; of two records of one version the one that was appended first counts.
    author: who wrote it. rule: all of its keys, as in a rules file.
    """

    name: Name
    version: Ordinal
    effective_from: Instant
    author: Name
    rule: dict[str, Any] | None
