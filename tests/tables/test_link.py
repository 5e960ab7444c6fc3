"""Every short history of answers, against the sentence that says what they mean."""

from itertools import product

import pytest

from tables.link import Link, observe


@pytest.mark.parametrize("length", range(9))
def test_three_failures_say_no_and_two_successes_yes(length: int) -> None:
    for answers in product("yn", repeat=length):
        said, link, known = "", Link(), None
        for answer in answers:
            said += answer
            link = observe(link, ok=answer == "y")
            if said.endswith("nnn"):
                known = False
            elif said.endswith("yy") or (known is None and answer == "y"):
                known = True
            assert link.online is known
