"""What messages say."""

import msgspec

from schemas.decision import Decision
from tables import wording
from tests.events import GRID, INVERTER, decided, rule, tick, transition

RULE = rule(
    'name="grid_lost"\nstream="transitions"\nwhen={field="source",not_equals="grid"}\n'
    'for="2m"\nclear_for="1m"\nreset="1h"'
)


def episode() -> list[Decision]:
    return decided(
        (RULE,), "transitions", transition(0, GRID, INVERTER), transition(600, INVERTER, GRID),
        tick(900),
    )  # fmt: skip


def test_a_problem_says_what_where_and_since_when() -> None:
    fired, _ = episode()

    assert wording.text(fired) == (
        "home: the grid is lost, the load is on the inverter, since 2026-01-01 00:00:00 UTC (2m)."
    )


def test_what_is_over_says_how_long_it_lasted() -> None:
    _, resolved = episode()

    assert wording.text(resolved).startswith("home: no longer: the grid is lost")
    assert "lasted 10m" in wording.text(resolved, RULE.clear_for)
    assert "lasted 11m" in wording.text(resolved)


def test_a_message_says_how_many_were_suppressed() -> None:
    fired = msgspec.structs.replace(episode()[0], suppressed=1)
    more = msgspec.structs.replace(fired, suppressed=3)

    assert wording.text(fired).endswith("Since the last message one episode was suppressed.")
    assert wording.text(more).endswith("Since the last message 3 episodes were suppressed.")


def test_a_rule_without_words_is_told_by_its_facts() -> None:
    fired = msgspec.structs.replace(episode()[0], rule="of_our_own")

    assert "of_our_own (due none, in_window unknown, source inverter)" in wording.text(fired)


def test_control_characters_of_a_device_never_reach_a_text() -> None:
    fired = msgspec.structs.replace(episode()[0], device="a\r\nBcc: x\x1b[0m")

    assert wording.text(fired).isprintable()
