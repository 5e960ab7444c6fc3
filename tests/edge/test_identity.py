"""Which file is which, by inode and by what it begins with."""

from hypothesis import given
from hypothesis import strategies as st

from edge.identity import HEAD, SURE, Identity, print_of

LONG = bytes(range(32, 112)) * 5


@given(st.binary(max_size=3 * HEAD), st.binary(max_size=HEAD))
def test_a_file_that_grew_is_the_same(begins: bytes, more: bytes) -> None:
    assert print_of(begins).fits((begins + more)[:HEAD])


@given(st.integers(0, HEAD), st.integers(0, HEAD), st.binary(min_size=1, max_size=1))
def test_another_byte_in_what_was_printed_is_another_file(
    size: int, place: int, byte: bytes
) -> None:
    other = LONG[:place] + byte + LONG[place + 1 :]

    assert print_of(LONG[:size]).fits(other[:HEAD]) == (place >= size or other == LONG)


def test_a_file_that_lost_its_end_is_the_same_while_enough_is_left() -> None:
    fits = [print_of(LONG[:100]).fits(LONG[:size]) for size in (0, SURE - 1, SURE, 99)]

    assert fits == [False, False, True, True]


def test_a_copy_repeats_all_of_a_print_that_is_long_enough() -> None:
    whole, short = print_of(LONG), print_of(LONG[:100])

    assert [whole.copied(LONG), whole.copied(LONG[:255]), whole.copied(b"x" + LONG)] == [
        True,
        False,
        False,
    ]
    assert [short.copied(LONG), short.copied(LONG, SURE), short.copied(LONG[:99], SURE)] == [
        False,
        True,
        False,
    ]


def test_too_little_to_go_by_has_to_be_the_same_to_the_last_byte() -> None:
    short = Identity(7, print_of(b"2026-01"))
    long = Identity(7, print_of(LONG[:SURE]))

    assert [short.fits(7, b"2026-01"), short.fits(8, b"2026-01"), short.fits(7, b"2026-01-")] == [
        True,
        False,
        False,
    ]
    assert [long.fits(7, LONG), long.fits(8, LONG)] == [True, False]
