"""Who tells: what is held, released, claimed and answered, record by record."""

from typing import Any

import msgspec
import pytest

from schemas.events import Claim, Event, Policy, Sim, Texted
from schemas.handover import Adopted, Answered, Claimed, Digest, Held, Outcome, Released
from schemas.record import EPOCH
from tables import entries
from tables.entries import Entry
from tables.intake import take
from tables.rulebook import Rulebook
from tables.rules import RulesError, written
from tests.events import GRID, INVERTER, at, rule, stamp, tick, transition

RULE = rule(
    'name="lost"\nstream="transitions"\nwhen={field="source",not_equals="grid"}\nfor="10s"\n'
    'clear_for="5s"\nreset="60s"\nusefulness="100s"'
)
OTHER = rule(
    'name="lost"\nstream="transitions"\nwhen={field="source",not_equals="grid"}\nfor="30s"\n'
    'clear_for="5s"\nreset="60s"'
)
BOOK = Rulebook("transitions", [RULE])
NUMBERS = ("+15550100", "+15550101")
LOST = transition(0, GRID, INVERTER)
BACK = transition(30, INVERTER, GRID)


class Server:
    """A stream as the servers see it. left: how many records the device still had behind each."""

    def __init__(self, book: Rulebook = BOOK) -> None:
        self.entry = Entry()
        self._book = book
        self.seq = 0

    def hear(
        self, event: Event, *, left: int = 0, appended: float | None = None, **more: Any
    ) -> list[Outcome]:
        """Return what ``event`` reveals, appended at second ``appended``, else at once."""
        self.seq = more.pop("seq", self.seq + 1)
        sent = msgspec.structs.replace(event, seq=self.seq, drain_to=self.seq + left, **more)
        late = at(appended) if appended is not None else event.ts
        appended_ms = round((late - EPOCH).total_seconds() * 1_000)
        stored = entries.read(entries.written(self.entry))
        self.entry, outcomes = take(self._book, stored, sent, appended_ms)
        return outcomes


def claim(second: float, held: Held) -> Claim:
    fields = stamp(second, INVERTER)
    return Claim(**fields, decision=held.decision, numbers=NUMBERS, possible_double=False)


def sim(second: float, notification: str, outcome: Texted) -> Sim:
    fields = stamp(second, INVERTER)
    return Sim(**fields, notification=notification, outcomes=dict.fromkeys(NUMBERS, outcome))


def policy(second: float, *rules: Any) -> Policy:
    own = tuple(written(each) for each in rules)
    return Policy(**stamp(second, None), core=1, rules=own)


def kinds(outcomes: list[Outcome]) -> list[str]:
    return [type(each).__name__.lower() for each in outcomes]


def test_on_a_healthy_link_nothing_waits() -> None:
    server = Server()
    server.hear(LOST)

    assert kinds(server.hear(tick(10))) == ["decision"]
    assert server.entry.pending is None


def test_a_decision_waits_until_its_stream_is_drained() -> None:
    server = Server()
    server.hear(LOST, left=3)
    (held,) = server.hear(tick(10), left=2)
    nothing = server.hear(tick(11), left=1)
    (released,) = server.hear(tick(12))

    assert isinstance(held, Held)
    assert nothing == []
    assert isinstance(released, Released)
    assert (released.decision, released.afresh) == (held.decision, False)
    assert server.entry.pending is None


def test_what_comes_once_more_with_nothing_behind_it_drains() -> None:
    server = Server()
    server.hear(LOST, left=1)
    server.hear(tick(10), left=1)

    assert kinds(server.hear(tick(10), seq=2)) == ["released"]
    assert server.entry.counts.duplicates == 1


def test_what_is_too_old_and_over_is_told_in_one_digest() -> None:
    server = Server()
    server.hear(LOST, left=3, appended=8_000)
    fired = server.hear(tick(10), left=2, appended=8_000)
    server.hear(BACK, left=1, appended=8_000)
    *held, digest = server.hear(tick(35), appended=8_000)

    assert kinds(fired + held) == ["held", "held"]
    assert isinstance(digest, Digest)
    assert [str(each.kind) for each in digest.decisions] == ["fired", "resolved"]


def test_what_is_too_old_and_still_holds_is_released_afresh() -> None:
    server = Server()
    server.hear(LOST, left=1, appended=1_000)
    held, released = server.hear(tick(20), appended=1_000)

    assert isinstance(held, Held)
    assert isinstance(released, Released)
    assert released.afresh


def test_more_than_can_be_held_is_counted() -> None:
    server = Server()
    for number in range(80):
        server.hear(transition(100 * number, GRID, INVERTER), left=1, appended=99_000)
        server.hear(transition(100 * number + 20, INVERTER, GRID), left=1, appended=99_000)
    *_, digest = server.hear(tick(9_000), appended=99_000)

    assert isinstance(digest, Digest)
    assert len(digest.decisions) + digest.unlisted == 160


def test_what_lasts_is_released_and_no_digest_says_that_it_is_over() -> None:
    rules = [
        rule(
            f'name="lost{number:02}"\nstream="transitions"\n'
            'when={field="source",not_equals="grid"}\nfor="10s"'
        )
        for number in range(70)
    ]
    server = Server(Rulebook("transitions", rules))
    server.hear(LOST, left=2)
    held = server.hear(tick(10), left=1)
    released = server.hear(tick(11))

    assert kinds(held) == ["held"] * 70
    assert kinds(released) == ["released"] * 64
    assert server.entry.pending is not None
    assert server.entry.pending.unlisted == 6


def test_a_claim_names_what_is_held_and_stays_open_until_it_is_answered() -> None:
    server = Server()
    server.hear(LOST, left=3)
    (held,) = server.hear(tick(10), left=2)
    assert isinstance(held, Held)
    (claimed,) = server.hear(claim(70, held), left=1)
    (answered, released) = server.hear(sim(75, held.decision.id, Texted.SENT))

    assert isinstance(claimed, Claimed)
    assert (claimed.decision, claimed.numbers) == (held.decision, NUMBERS)
    assert isinstance(answered, Answered)
    assert answered.outcomes == dict.fromkeys(NUMBERS, Texted.SENT)
    assert isinstance(released, Released)
    assert server.entry.pending is None


def test_a_claim_of_what_nobody_knows_is_told_all_the_same() -> None:
    server = Server()
    known = Server()
    known.hear(LOST, left=1)
    (held,) = known.hear(tick(10), left=1)
    assert isinstance(held, Held)
    claimed, released = server.hear(claim(70, held))

    assert isinstance(claimed, Claimed)
    assert isinstance(released, Released)
    assert released.decision == held.decision


def test_a_claim_of_an_episode_that_was_suppressed_here_marks_it_told() -> None:
    server = Server()
    server.hear(LOST)
    server.hear(tick(10))
    server.hear(msgspec.structs.replace(BACK, ts=at(12)))
    server.hear(tick(20))
    server.hear(transition(21, GRID, INVERTER))
    server.hear(tick(31))  # inside the reset
    assert not server.entry.state.alerts["lost"].told
    other = Server()
    other.hear(transition(20, GRID, INVERTER), left=1)
    (held,) = other.hear(tick(31), left=1)
    assert isinstance(held, Held)
    server.hear(claim(40, held))

    alert = server.entry.state.alerts["lost"]
    assert (alert.told, alert.suppressed, alert.rearm_at) == (True, 0, at(90))


def test_a_new_spool_answers_for_no_claim_of_the_old_one() -> None:
    server = Server()
    server.hear(LOST, left=2)
    (held,) = server.hear(tick(10), left=1)
    assert isinstance(held, Held)
    server.hear(claim(70, held), left=1)
    answered, released = server.hear(tick(80), seq=1, epoch="new")

    assert isinstance(answered, Answered)
    assert answered.outcomes == dict.fromkeys(NUMBERS, Texted.UNKNOWN)
    assert isinstance(released, Released)


def test_what_the_device_decides_replaces_the_rule_of_that_name() -> None:
    server = Server()
    (adopted,) = server.hear(policy(0, OTHER))
    again = server.hear(policy(0, OTHER))
    server.hear(LOST)
    seen = [kinds(server.hear(tick(second))) for second in (10, 29, 30)]
    (gone,) = server.hear(policy(31))

    assert isinstance(adopted, Adopted)
    assert again == []
    assert seen == [[], [], ["decision"]]
    assert isinstance(gone, Adopted)
    assert server.entry.own == b""


@pytest.mark.parametrize(
    "wrong",
    [
        {"rules": ({"name": "lost"},)},
        {"rules": (written(RULE) | {"stream": "liveness", "when": {"field": "silent"}},)},
        {"core": 2},
    ],
)
def test_a_policy_that_cannot_be_followed_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(RulesError):
        Server().hear(msgspec.structs.replace(policy(0, OTHER), **wrong))


def test_a_device_that_says_nothing_of_its_spool_drains_it_each_time() -> None:
    entry, _ = take(BOOK, Entry(), LOST, 0)
    outcomes = take(BOOK, entry, msgspec.structs.replace(tick(10), seq=2), 10**12)[1]

    assert kinds(outcomes) == ["decision"]
