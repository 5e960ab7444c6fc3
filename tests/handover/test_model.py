"""The hand-over under every interleaving that hypothesis finds: never nobody, never both unsaid."""

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.rules_topic import Rules
from app.stream import apps
from edge.job import Job, Text
from edge.sim800.states import Outcome
from schemas.events import Source
from tests.handover.server import RULE
from tests.handover.world import World

STEPS, EXAMPLES = 60, int(os.environ.get("HANDOVER_EXAMPLES", "600"))
COUNTED: Counter[str] = Counter()


class Fixed(Rules):
    """Rules of which no version is ever written."""

    fresh = True


class Handover(RuleBasedStateMachine):
    """What can happen, one at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(prefix="handover-"))
        self.world = World(self._folder)
        self._given: tuple[Job, Text] | None = None

    @initialize()
    def begin(self) -> None:
        self.world.hand_over(50)
        self.world.acknowledge()

    @rule(seconds=st.sampled_from([1, 4, 11, 25, 70, 2_000]))
    def time_passes(self, seconds: int) -> None:
        self._count("time passes")
        self.world.pass_time(seconds)

    @rule(to=st.sampled_from([Source.GRID, Source.INVERTER, Source.NONE]))
    def source_changes(self, to: Source) -> None:
        self._count("source changes")
        self.world.change(to)

    @precondition(lambda self: self.world.flying is None)
    @rule(to=st.sampled_from([Source.INVERTER, Source.NONE]), seconds=st.sampled_from([25, 40]))
    def outage_that_nobody_hears_of(self, to: Source, seconds: int) -> None:
        self._count("outage")
        self.world.change(to)
        self.world.pass_time(seconds)
        self.world.pass_time(seconds)

    @rule(most=st.sampled_from([1, 2, 50]))
    def handed_over(self, most: int) -> None:
        self._count("handed over")
        self.world.hand_over(most)

    @precondition(lambda self: self.world.flying is not None)
    @rule()
    def acknowledged(self) -> None:
        self._count("acknowledged")
        self.world.acknowledge()

    @precondition(lambda self: self.world.flying is not None)
    @rule(arrives=st.booleans())
    def link_dies(self, arrives: bool) -> None:
        self._count("acknowledgement lost" if arrives else "link dies")
        batch = self.world.flying
        assert batch is not None
        self.world.lose()
        if arrives:
            self.world.stray.remove(batch)
            self.world.arrive(batch)

    @precondition(lambda self: self.world.stray)
    @rule()
    def a_stray_batch_lands(self) -> None:
        self._count("stray batch lands")
        self.world.arrive(self.world.stray.pop(0))

    @precondition(lambda self: self.world.overdue())
    @rule()
    def claimed(self) -> None:
        self._count("claimed")
        self.world.claim()

    @precondition(lambda self: self._given is None and self.world.to_text)
    @rule()
    def modem_is_given_a_text(self) -> None:
        self._count("text given")
        self._given = self.world.give()

    @precondition(lambda self: self._given is not None)
    @rule(outcome=st.sampled_from(["sent", "unknown, sent", "unknown", "refused", "failed"]))
    def modem_answers(self, outcome: str) -> None:
        self._count(f"text {outcome}")
        assert self._given is not None
        (job, text), self._given = self._given, None
        self.world.texted[job.decision.id] += outcome in {"sent", "unknown, sent"}
        answers = {"sent": Outcome.SENT, "refused": Outcome.NOT_SENT, "failed": Outcome.FAILED}
        self.world.answer(job, text, answers.get(outcome, Outcome.UNKNOWN))

    @rule(seconds=st.sampled_from([5, 3_600]))
    def clock_is_set(self, seconds: int) -> None:
        self._count("clock set")
        self.world.set_clock(seconds)

    @precondition(lambda self: self.world.ledger.handing.recent)
    @rule()
    def people_acknowledge(self) -> None:
        self._count("people acknowledge")
        self.world.people_acknowledge()

    @precondition(lambda self: self.world.may_start())
    @rule(sent=st.booleans())
    def device_is_killed(self, sent: bool) -> None:
        self._count("device killed")
        if self._given is not None:  # it was with the modem, which goes on without us
            self.world.texted[self._given[0].decision.id] += sent
            self._given = None
        self.world.kill()

    @rule()
    def server_is_killed(self) -> None:
        self._count("server killed")
        self.world.server.crash()

    def teardown(self) -> None:
        try:
            if self._given is not None:
                self.modem_answers("sent")
            self.world.end()
            COUNTED["notifications"] += len(self.world.decided)
            COUNTED["both, flagged"] += len(list(self.world.both()))
            # What is more than can be held is only counted, in a digest.
            assert {each.id for each in self.world.nobody()} <= self.world.server.dropped
            assert set(self.world.both()) <= self.world.flagged() | self.world.unsure()
        finally:
            self.world.spool.close()
            shutil.rmtree(self._folder)

    def _count(self, step: str) -> None:
        COUNTED["steps"] += 1
        COUNTED[step] += 1


@pytest.fixture
def _rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps, "rules", Fixed("nowhere", (RULE,), lambda: 0.0))


@pytest.mark.usefixtures("_rules")
def test_somebody_tells_and_both_only_when_it_is_said() -> None:
    COUNTED.clear()
    run_state_machine_as_test(
        Handover,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize="HANDOVER_EXAMPLES" not in os.environ,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(dict(COUNTED))

    assert COUNTED["steps"] >= min(20_000, EXAMPLES * 30)
    assert COUNTED["claimed"] > 100
    assert COUNTED["both, flagged"] > 0
