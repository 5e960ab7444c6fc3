"""Who is told at once, and who next where nobody answers; who took note."""

from collections.abc import Mapping, Sequence

import msgspec
import pytest

from schemas import codec
from schemas.delivery import Channel
from schemas.escalation import Taken, Unanswered
from tables.routing import (
    Book,
    Reach,
    Recipient,
    Role,
    Texts,
    When,
    escalate,
    first,
    route,
    settled,
    take_note,
    unanswered,
)
from tests.events import at
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


ROLES = {each.to.person: each.role for each in REACH}


def nobody(person: str, number: int, *, reached: bool = False) -> Unanswered:
    return Unanswered(
        id=f"u{number}", device="home", rule="lost", episode=FIRED.episode, notification=FIRED.id,
        recipient=person, reached=reached, reason="nobody has acknowledged it",
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


def test_an_owner_who_is_told_at_once_by_no_channel_is_told_beside_a_watcher_who_is() -> None:
    later = Reach(ANN, Role.OWNER, 0, When.UNANSWERED)
    watching = Reach(BOB, Role.WATCHER, 0, When.ALWAYS)
    idle = Reach(DAN, Role.WATCHER, 0, When.UNANSWERED)

    assert set(first([later, watching, idle])) == {ANN, BOB}
    assert set(first([watching, idle, Reach(CYN, Role.OPERATOR, 0, When.ALWAYS)])) == {BOB}


def test_what_nobody_answers_goes_to_the_next_channel_then_to_the_next_person() -> None:
    book, _ = route(Book(), FIRED, first(REACH))
    told = []
    for number, person in enumerate(("ann", "ann", "cyn", "dan")):
        assert unanswered(book, nobody(person, number)) == FIRED
        book, listed = escalate(book, nobody(person, number), REACH, ROLES)
        told.append(listed)

    assert told == [(ANN_PUSH,), (CYN,), (DAN,), ()]
    _, resolved = route(book, RESOLVED, ())
    assert set(resolved) == {ANN, ANN_PUSH, BOB, CYN, DAN}


def test_who_has_had_their_turn_is_waited_for_no_longer() -> None:
    said = [nobody("ann", 1, reached=True), nobody("ann", 2, reached=True), nobody("cyn", 3)]

    assert told_next(REACH, *said) == [(ANN_PUSH,), (CYN,), (DAN,)]


def test_nobody_waits_for_the_answer_of_an_owner_whom_the_device_texts_itself() -> None:
    ours, texted = (
        (*REACH[2:5], Reach(EVE, Role.OWNER, 1, When.ALWAYS)),
        Texts(FIRED, ((ANN, None),)),
    )
    book, _ = route(Book(texts={FIRED.id: texted}), FIRED, first(ours))

    assert escalate(book, nobody("eve", 1), ours, {**ROLES, "eve": Role.OWNER})[1] == (CYN,)


def told_next(
    reach: Sequence[Reach], *said: Unanswered, roles: Mapping[str, Role] = ROLES
) -> list[tuple[Recipient, ...] | None]:
    book, _ = route(Book(), FIRED, first(reach))
    listed = []
    for each in said:
        book, to = escalate(book, each, tuple(reach), roles)
        book = settled(book, {each.id})
        listed.append(to)
    return listed


@pytest.mark.parametrize("reached", [True, False])
def test_that_a_watcher_does_not_answer_wakes_nobody(reached: bool) -> None:
    push = Recipient("bob", Channel.PUSH, "his")
    more = (*REACH, Reach(push, Role.WATCHER, 0, When.UNANSWERED))
    gone = [each for each in REACH if each.to.person != "bob"]  # his address bars him since
    said = [nobody("bob", number, reached=reached) for number in range(2)]

    assert told_next(REACH, *said) == [None, None]
    assert told_next(more, *said) == [(push,), None]
    book, _ = route(Book(), FIRED, first(REACH))
    assert escalate(book, said[0], tuple(gone), ROLES)[1] is None


def test_a_watcher_alone_does_not_stand_for_an_owner() -> None:
    watched = [each for each in REACH if each.role is not Role.OWNER]

    assert told_next(watched, nobody("bob", 1)) == [(CYN,)]
    assert told_next(watched, nobody("bob", 1), nobody("cyn", 2)) == [(CYN,), (DAN,)]


def test_while_another_owner_was_reached_nobody_is_told_in_place_of_one_who_was_not() -> None:
    eve = Reach(EVE, Role.OWNER, 1, When.ALWAYS)
    two, roles = (REACH[0], *REACH[2:5], eve), {**ROLES, "eve": Role.OWNER}

    assert told_next(two, nobody("ann", 1), roles=roles) == [None]
    assert told_next(two, nobody("ann", 1), nobody("eve", 2), roles=roles) == [None, (CYN,)]
    late = nobody("eve", 2, reached=True)
    assert told_next(two, nobody("ann", 1), late, roles=roles) == [None, (CYN,)]


def test_who_was_not_reached_is_remembered_while_the_episode_lasts() -> None:
    book, _ = route(Book(), FIRED, first(REACH[2:]))
    book, _ = escalate(book, nobody("bob", 1), REACH[2:], ROLES)
    later, _ = route(book, REPEATED, ())
    fresh, _ = route(book, msgspec.structs.replace(FIRED, id="next", episode=at(500)), (ANN,))

    assert later.rules["lost"].passed == ("bob",)
    assert fresh.rules["lost"].passed == ()


def test_a_state_of_a_former_version_is_read() -> None:
    book, _ = route(Book(), FIRED, (ANN,))
    former = msgspec.json.decode(codec.encode(book))
    del former[1]["lost"][7:]

    assert msgspec.json.decode(codec.encode(former), type=Book) == book


def test_what_is_said_again_goes_to_the_same() -> None:
    book, _ = route(Book(), FIRED, first(REACH))
    book, listed = escalate(book, nobody("ann", 1), REACH, ROLES)

    assert escalate(book, nobody("ann", 1), (), ROLES) == (book, listed)
    assert escalate(settled(book, {"u1"}), nobody("ann", 1), REACH, ROLES)[1] is None


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
