"""Who is told at once, and who next where nobody answers; who took note."""

from schemas.delivery import Channel
from schemas.escalation import Taken, Unanswered
from tables.routing import (
    Book,
    Reach,
    Recipient,
    Role,
    When,
    escalate,
    first,
    route,
    settled,
    take_note,
    unanswered,
)
from tests.tables.test_routing import ANN, BOB, FIRED, REPEATED, RESOLVED

ANN_PUSH = Recipient("ann", Channel.PUSH, "registration")
CYN = Recipient("cyn", Channel.SMS, "+15550003")
DAN = Recipient("dan", Channel.EMAIL, "dan@example.com")
EVE = Recipient("eve", Channel.SMS, "+15550005")
REACH = (
    Reach(ANN, Role.OWNER, 0, When.ALWAYS),
    Reach(ANN_PUSH, Role.OWNER, 0, When.UNANSWERED),
    Reach(BOB, Role.WATCHER, 0, When.ALWAYS),
    Reach(CYN, Role.OPERATOR, 1, When.ALWAYS),
    Reach(DAN, Role.OPERATOR, 2, When.UNANSWERED),
    Reach(EVE, Role.OPERATOR, 0, When.NEVER),
)


def nobody(person: str, number: int) -> Unanswered:
    return Unanswered(
        id=f"u{number}", device="home", rule="lost", episode=FIRED.episode, notification=FIRED.id,
        recipient=person, reached=False, reason="nobody has acknowledged it",
    )  # fmt: skip


def note(by: str = "bob") -> Taken:
    return Taken(id=f"taken by {by}", device="home", rule="lost", episode=FIRED.episode, by=by)


def test_owners_and_watchers_are_told_at_once_and_operators_where_there_is_nobody_else() -> None:
    assert first(REACH) == (ANN, BOB)
    assert first([each for each in REACH if each.role is Role.OPERATOR]) == (CYN,)
    assert first([]) == ()


def test_who_is_told_at_once_by_no_channel_is_told_by_those_for_what_is_unanswered() -> None:
    later = [Reach(each.to, each.role, each.position, When.UNANSWERED) for each in REACH]
    owners = {each.to for each in later if each.role is not Role.OPERATOR}
    operator = [each for each in REACH if each.role is Role.OPERATOR]

    assert set(first(later)) == owners
    assert set(first([*later, *operator])) == owners


def test_what_nobody_answers_goes_to_the_next_channel_then_to_the_next_person() -> None:
    book, _ = route(Book(), FIRED, first(REACH))
    told = []
    for number, person in enumerate(("ann", "ann", "cyn", "dan")):
        assert unanswered(book, nobody(person, number)) == FIRED
        book, listed = escalate(book, nobody(person, number), REACH)
        told.append(listed)

    assert told == [(ANN_PUSH,), (CYN,), (DAN,), ()]
    _, resolved = route(book, RESOLVED, ())
    assert set(resolved) == {ANN, ANN_PUSH, BOB, CYN, DAN}


def test_what_is_said_again_goes_to_the_same() -> None:
    book, _ = route(Book(), FIRED, first(REACH))
    book, listed = escalate(book, nobody("ann", 1), REACH)

    assert escalate(book, nobody("ann", 1), ()) == (book, listed)
    assert escalate(settled(book, {"u1"}), nobody("ann", 1), REACH)[1] == ()


def test_what_is_over_or_taken_note_of_is_told_nobody_further() -> None:
    book, _ = route(Book(), FIRED, (ANN,))
    taken, heard = take_note(book, note())
    over, _ = route(book, RESOLVED, ())

    assert heard == (ANN,)
    assert unanswered(taken, nobody("ann", 1)) is None
    assert unanswered(over, nobody("ann", 1)) is None
    assert take_note(taken, note("cyn")) == (taken, ())


def test_that_somebody_took_note_is_said_until_it_is_out() -> None:
    book, _ = route(Book(), FIRED, (ANN,))
    book, heard = take_note(book, note())
    over, _ = route(book, RESOLVED, ())

    assert take_note(over, note()) == (over, heard) == (over, (ANN,))
    assert take_note(settled(book, {note().id}), note())[1] == ()


def test_what_somebody_took_note_of_is_not_repeated_and_its_end_is_told() -> None:
    book, _ = route(Book(), FIRED, (ANN,))
    book, _ = take_note(book, note())
    book, repeated = route(book, REPEATED, (ANN, BOB))
    _, resolved = route(book, RESOLVED, ())

    assert (repeated, resolved) == ((), (ANN,))
