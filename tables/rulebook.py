"""Which rules are in force for an event. Pure; it follows from recorded facts alone.

A version is in force for an event when the instant at which that acts is at or after the version's
``effective_from``, and it was appended at least ``LEAD_MS`` after the version: by then every worker
has read it. Of several the latest ``effective_from`` holds, at the same the higher version. Both
instants only grow in a state, so that a version in force never goes back.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from schemas.decision import Decision
from tables.fold import State, ruled
from tables.policy import Policies, Policy
from tables.rules import Rule

LEAD_MS = 60_000
ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
Reach = tuple[datetime, int]  # the latest instant a state acted at, the latest append time it saw


class Version(msgspec.Struct, frozen=True):
    """One version of a rule. rule: None ends it. appended_ms: the broker's append time."""

    name: str
    version: int
    effective_from: datetime
    appended_ms: int
    rule: Rule | None

    @property
    def rank(self) -> tuple[datetime, int]:
        """Return what decides between versions of one rule: the greatest is in force."""
        return self.effective_from, self.version


class Rulebook:
    """All versions of all rules of one stream, under rules that were always in force.

    stream: whose rules they are.
    newest: what is in force for a state that has come to ``settled_at`` and ``settled_ms``.
    """

    def __init__(self, stream: str, base: Sequence[Rule], versions: Sequence[Version] = ()) -> None:
        """Take ``base`` for version 0 of each of its rules, in force since ever."""
        self.stream = stream
        always = [Version(rule.name, 0, ALWAYS, -LEAD_MS, rule) for rule in base]
        every = sorted((*always, *versions), key=lambda version: version.rank)
        ours = {each.name for each in every if each.rule is not None and each.rule.stream == stream}
        self._versions = [each for each in every if each.name in ours]
        self._effective = sorted({version.effective_from for version in self._versions})
        self._appended = sorted({version.appended_ms + LEAD_MS for version in self._versions})
        self._policies: dict[tuple[int, int], Policies] = {}
        self._of_rules: dict[tuple[Rule, ...], Policies] = {}
        self.newest = self._made(len(self._effective), len(self._appended))
        self.settled_at = self._effective[-1] if self._effective else ALWAYS
        self.settled_ms = self._appended[-1] if self._appended else 0

    def at(self, reach: Reach) -> Policies:
        """Return what is in force there; the same object as long as it is the same rules."""
        place = bisect_right(self._effective, reach[0]), bisect_right(self._appended, reach[1])
        if place not in self._policies:
            self._policies[place] = self._made(*place)
        return self._policies[place]

    def bring(
        self, state: State, device: str, before: Reach, after: Reach, own: bytes = b""
    ) -> tuple[Policy, State, list[Decision]]:
        """Return the policy in force at ``after``, ``state`` under it, and what that decides.

        The rules change one after the other, each at its own instant. own: what the device decides
        by itself, which none of them replaces.
        """
        if before[0] >= self.settled_at and before[1] >= self.settled_ms:
            return self.newest.of(device, own), state, []
        policy, decisions = self.at(before).of(device, own), list[Decision]()
        for instant, policies in self.changes(before, after):
            following = policies.of(device, own)
            now = state.at or instant
            # One that came late acts now: the state may have been set back since it was there.
            at = now if instant == before[0] else max(instant, now)
            state, more = ruled(policy, following, state, device, at)
            decisions += more
            policy = following
        return policy, state, decisions

    def changes(self, before: Reach, after: Reach) -> Iterator[tuple[datetime, Policies]]:
        """Yield when other rules come into force between ``before`` and ``after``, and which.

        A version whose instant had passed before it could be in force comes at ``before``.
        """
        held = self.at(before)
        first = bisect_right(self._effective, before[0])
        last = bisect_right(self._effective, after[0])
        for instant in (before[0], *self._effective[first:last]):
            policies = self.at((instant, after[1]))
            if policies is not held:
                yield instant, policies
                held = policies

    def _made(self, effective: int, appended: int) -> Policies:
        known = set(self._appended[:appended])
        passed = set(self._effective[:effective])
        in_force = {  # the greatest rank comes last
            each.name: each.rule
            for each in self._versions
            if each.effective_from in passed and each.appended_ms + LEAD_MS in known
        }
        rules = tuple(
            rule
            for _, rule in sorted(in_force.items())
            if rule is not None and rule.stream == self.stream
        )
        if rules not in self._of_rules:
            self._of_rules[rules] = Policies(rules, self.stream)
        return self._of_rules[rules]
