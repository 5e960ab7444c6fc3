"""What is read in a modem's lines."""

import pytest

from edge.sim800.waiting import number, ussd_text


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ('+CUSD: 0,"Balance 12.34",15', "Balance 12.34"),
        ('+CUSD: 0,"2500",15', "2500"),
        ('+CUSD: 0,"12345678",15', "12345678"),
        ('+CUSD: 0,"0032003500300030",15', "2500"),
        ('+CUSD: 0,"04110430043B0430043D0441003A00200032",15', "Баланс: 2"),
        ('+CUSD: 0,"04110430",72', "Ба"),
        ('+CUSD: 0,"BEEFDEAD",15', "BEEFDEAD"),
        ('+CUSD: 0,"Pay 5" now",15', 'Pay 5" now'),
        ('+CUSD: 0,"cut off', "cut off"),
        ("+CUSD: 4", ""),
    ],
)
def test_a_balance_is_read_as_it_is_meant(line: str, text: str) -> None:
    assert ussd_text(line) == text


@pytest.mark.parametrize(
    ("text", "found"), [("17", 17), (" 17 ", 17), ("\xb21", 99), ("-1", 99), ("", 99), (None, 99)]
)
def test_what_is_no_number_is_none(text: str | None, found: int) -> None:
    assert number(text, 99) == found
