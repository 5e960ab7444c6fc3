"""When answers to people's texts may leave. Times are seconds."""

from edge.replies import Replies

ANN, BOB = "+15550100", "+15550101"


def leaving(replies: Replies, until_s: int) -> list[int]:
    """Return when answers to ANN leave who asks all the time."""
    left = []
    for second in range(until_s):
        replies.add(ANN, "yes")
        if replies.take(second) is not None:
            left.append(second)
    return left


def test_answers_to_one_number_keep_to_the_caps_of_texts() -> None:
    left = leaving(Replies(), 3_600)

    assert left[:7] == [0, 60, 120, 180, 240, 900, 960]
    assert len(left) == 11


def test_a_number_that_asks_all_the_time_keeps_no_other_from_an_answer() -> None:
    replies = Replies()
    leaving(replies, 30)
    replies.add(BOB, "here")

    assert replies.take(30) == (BOB, "here")
    assert replies.take(30) is None
    assert replies.due_s() == 60


def test_of_several_answers_that_wait_the_newest_leaves() -> None:
    replies = Replies()
    replies.add(ANN, "old")
    replies.add(ANN, "new")

    assert (replies.take(0), replies.take(100), replies.due_s()) == ((ANN, "new"), None, None)
