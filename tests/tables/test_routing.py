"""Who is told of an episode."""

from collections.abc import Sequence

from schemas.decision import Decision, Kind
from schemas.delivery import Channel
from tables.routing import Book, Recipient, route, settled
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
