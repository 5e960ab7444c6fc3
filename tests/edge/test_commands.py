"""What is answered to a text, and how often."""

import pytest

from app.sim800.wire import deliver
from edge.commands import HELP, Commands

ANN, BOB = "+15550100", "+15550101"
DAY_S = 86_400


class Phone:
    """Commands, and the numbers and texts they answer with."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.replies: list[tuple[str, str]] = []
        self.commands = Commands(
            [ANN, BOB],
            lambda number, text: self.replies.append((number, text)),
            lambda _number: True,
            lambda: "all is well",
            lambda: self.now_s,
        )

    def text(self, number: str, said: str) -> None:
        self.commands.heard(deliver(number, said)[0])


def test_what_is_not_understood_is_answered_once_a_day_to_each_number() -> None:
    phone = Phone()
    for number, second in ((ANN, 0), (ANN, 1), (BOB, 2), (ANN, DAY_S - 1), (ANN, DAY_S)):
        phone.now_s = second
        phone.text(number, "I am driving and will call back")

    assert phone.replies == [(ANN, HELP), (BOB, HELP), (ANN, HELP)]


def test_our_own_words_are_not_answered() -> None:
    phone = Phone()
    phone.text(ANN, HELP)

    assert phone.replies == []


@pytest.mark.parametrize("said", ["STATUS", "ACK 1"])
def test_a_command_is_answered_each_time(said: str) -> None:
    phone = Phone()
    phone.text(ANN, said)
    phone.text(ANN, said)

    assert len(phone.replies) == 2
