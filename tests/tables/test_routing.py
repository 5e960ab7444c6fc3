"""Who is told of an episode."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.decision import Decision, Kind
from schemas.delivery import Channel
from schemas.events import Texted
from schemas.handover import Answered, Claimed
from tables.routing import (
    Book,
    Recipient,
    route,
    settled,
)
from tables.texting import answer, claim, silent
from tests.events import GRID, INVERTER, at, decided, rule, tick, transition

ANN = Recipient("ann", Channel.SMS, "+15550001")
BOB = Recipient("bob", Channel.EMAIL, "bob@example.com")
RULE = rule(
    'name="lost"\nstream="transitions"\nwhen={field="source",not_equals="grid"}\nfor="10s"\n'
    'clear_for="5s"\nreset="60s"\nrepeat=true'
)
FIRED, REPEATED, RESOLVED = decided(
    (RULE,),
    "transitions",
    transition(0, GRID, INVERTER),
    tick(80),
    transition(90, INVERTER, GRID),
    tick(100),
)


def routed(book: Book, *steps: tuple[Decision, Sequence[Recipient]]) -> list[tuple[Recipient, ...]]:
    audiences = []
    for decision, today in steps:
        book, audience = route(book, decision, tuple(today))
        book = settled(book, {decision.id})
        audiences.append(audience)
    return audiences


def test_resolved_goes_to_exactly_those_who_were_told() -> None:
    assert routed(Book(), (FIRED, [ANN]), (RESOLVED, [ANN, BOB])) == [(ANN,), (ANN,)]


def test_repeated_also_goes_to_those_who_joined() -> None:
    seen = routed(Book(), (FIRED, [ANN]), (REPEATED, [BOB]), (RESOLVED, []))

    assert seen == [(ANN,), (ANN, BOB), (ANN, BOB)]


def test_nobody_is_told_of_what_is_suppressed() -> None:
    quiet = Decision(
        core=1,
        id="q",
        device="home",
        rule="lost",
        kind=Kind.SUPPRESSED,
        at=at(1),
        episode=at(0),
        suppressed=1,
        severity=FIRED.severity,
        stream="transitions",
        cause={},
    )

    assert routed(Book(), (quiet, [ANN])) == [()]


def test_a_copy_of_what_is_out_goes_to_nobody() -> None:
    seen = routed(Book(), (FIRED, [ANN]), (RESOLVED, [ANN]), (FIRED, [ANN]), (RESOLVED, [ANN]))

    assert seen == [(ANN,), (ANN,), (), ()]


@pytest.mark.parametrize("ahead_s", [5, 365 * 86_400])
def test_who_was_told_by_a_clock_that_was_ahead_is_told_after_it_is_set(ahead_s: int) -> None:
    early = (transition(0, GRID, INVERTER), tick(20), transition(30, INVERTER, GRID), tick(50))
    late = (transition(9_000, GRID, INVERTER), tick(9_020), transition(9_030, INVERTER, GRID))
    ahead = timedelta(seconds=ahead_s)
    before = [moved(each, ahead) for each in decided((RULE,), "transitions", *early)]
    after = decided((RULE,), "transitions", *late, tick(9_050))
    seen = routed(Book(), *((each, [ANN]) for each in (*before, *after)))

    assert [each.kind for each in (*before, *after)] == [Kind.FIRED, Kind.RESOLVED] * 2
    assert seen == [(ANN,)] * 4


def test_the_end_is_told_though_the_clock_was_set_back_since() -> None:
    back = msgspec.structs.replace(RESOLVED, at=FIRED.at - timedelta(seconds=5))

    assert routed(Book(), (FIRED, [ANN]), (back, [])) == [(ANN,), (ANN,)]


def test_what_nobody_is_to_be_told_of_leaves_the_episode_before_as_it_was() -> None:
    quiet = msgspec.structs.replace(FIRED, id="q", kind=Kind.SUPPRESSED, episode=at(5))
    book, _ = route(Book(), FIRED, (ANN,))

    assert route(book, quiet, (BOB,)) == (book, ())


def test_of_the_ids_of_a_rule_the_newest_are_remembered() -> None:
    book = Book()
    for number in range(50):
        each = msgspec.structs.replace(FIRED, id=f"f{number}")
        book = settled(route(book, each, (ANN,))[0], {each.id})

    assert book.rules["lost"].ids == tuple(f"f{number}" for number in range(42, 50))


@given(st.lists(st.integers(0, 30), max_size=12), st.data())
def test_each_is_told_once_whatever_its_clock_says_and_however_often_it_comes(
    seconds: list[int], data: st.DataObject
) -> None:
    book, seen = Book(), list[str]()
    sent = [
        msgspec.structs.replace(FIRED, id=f"f{number}", at=at(second), episode=at(number))
        for number, second in enumerate(seconds)
    ]
    for number, each in enumerate(sent, 1):
        again = data.draw(st.integers(max(0, number - 8), number - 1))  # a worker that was killed
        for one in (each, *sent[again:number]):
            book, to = route(book, one, (ANN,))
            book = settled(book, {one.id})
            seen += [one.id] * len(to)

    assert seen == [each.id for each in sent]


def moved(decision: Decision, by: timedelta) -> Decision:
    return msgspec.structs.replace(
        decision, id=f"{decision.id}+", at=decision.at + by, episode=decision.episode + by
    )


def test_what_comes_again_before_it_was_out_goes_to_the_stored_list() -> None:
    book, _ = route(Book(), FIRED, (ANN,))
    book, _ = route(book, RESOLVED, (ANN,))
    after_a_crash = [route(book, each, (BOB,))[1] for each in (FIRED, RESOLVED)]

    assert after_a_crash == [(ANN,), (ANN,)]


def test_what_is_settled_leaves_the_rest_pending() -> None:
    book, _ = route(Book(), FIRED, (ANN,))
    book, _ = route(book, RESOLVED, (ANN,))
    book = settled(book, {FIRED.id})

    assert route(book, FIRED, (BOB,))[1] == ()
    assert route(book, RESOLVED, (BOB,))[1] == (ANN,)


SIM = Recipient("ann", Channel.SMS, "+15550001")


def claimed(decision: Decision) -> Claimed:
    return Claimed(
        id="c", device="home", decision=decision, numbers=(SIM.address,), possible_double=False
    )


def answered(decision: Decision, outcome: Texted) -> Answered:
    outcomes = {SIM.address: outcome}
    return Answered(id="a", device="home", notification=decision.id, outcomes=outcomes, reason="")


def test_whom_the_device_texts_is_left_out_and_hears_of_the_end_from_us() -> None:
    book, told = route(claim(Book(), claimed(FIRED), (SIM,)), FIRED, (SIM, BOB))
    _, end = route(settled(book, {FIRED.id}), RESOLVED, ())

    assert told == (BOB,)
    assert end == (SIM, BOB)


def test_whom_it_texts_after_we_told_hears_of_the_end_from_us() -> None:
    book, _ = route(Book(), FIRED, (BOB,))
    book = claim(settled(book, {FIRED.id}), claimed(FIRED), (SIM,))

    assert route(book, FIRED, (BOB,))[1] == ()
    assert route(book, RESOLVED, ())[1] == (SIM, BOB)


@pytest.mark.parametrize(
    ("outcome", "ours"),
    [(Texted.SENT, ()), (Texted.UNKNOWN, (SIM,)), (Texted.HANDED_BACK, (SIM,))],
)
def test_whom_it_could_not_text_is_ours(outcome: Texted, ours: tuple[Recipient, ...]) -> None:
    book = claim(Book(), claimed(FIRED), (SIM,))
    book, once = answer(book, answered(FIRED, outcome))
    _, again = answer(book, answered(FIRED, outcome))

    assert once == again == ours
    assert route(book, FIRED, (SIM,))[1] == ()


def test_whom_a_silent_device_did_not_answer_for_is_ours_once() -> None:
    book = claim(Book(), claimed(FIRED), (SIM,))
    book, first = silent(book, "s")
    _, again = silent(book, "s")
    _, later = silent(book, "t")

    assert first == again == [(FIRED, SIM)]
    assert later == []
    assert answer(book, answered(FIRED, Texted.UNKNOWN))[1] == ()


@pytest.mark.parametrize(
    ("outcome", "ours"),
    [(Texted.SENT, []), (Texted.UNKNOWN, [(FIRED, SIM)]), (Texted.HANDED_BACK, [(FIRED, SIM)])],
)
def test_whom_an_answer_after_the_silence_does_not_reach_is_still_ours_after_a_crash(
    outcome: Texted, ours: list[tuple[Decision, Recipient]]
) -> None:
    book, _ = silent(claim(Book(), claimed(FIRED), (SIM,)), "s")
    book, told = answer(book, answered(FIRED, outcome))

    assert told == ()
    assert silent(book, "s")[1] == ours
    assert silent(book, "t")[1] == []


def test_an_answer_to_no_claim_tells_nobody() -> None:
    assert answer(Book(), answered(FIRED, Texted.HANDED_BACK)) == (Book(), ())


def test_the_end_of_an_earlier_episode_that_comes_late_keeps_nobody_from_the_end_of_this() -> None:
    earlier = msgspec.structs.replace(RESOLVED, id="earlier", episode=at(-500))
    book, _ = route(Book(), FIRED, (ANN,))
    book, nobody = route(book, earlier, (ANN,))

    assert nobody == ()
    assert route(book, RESOLVED, ())[1] == (ANN,)
