"""The real programs, with the wire between them cut again and again; more: ``make cuts``."""

import pytest

from tests.handover.cuts import run


@pytest.mark.kafka
def test_a_wire_that_is_cut_leaves_nobody_untold() -> None:
    outcome = run(seed=1, cuts=10)
    print(outcome)

    assert (outcome.nobody, outcome.both_unsaid, outcome.audit_differences) == ([], [], 0)
    assert outcome.cuts == 10
    assert outcome.notifications >= 5
