"""What modems say, cut into events: each lesson of real transcripts, under every split."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sim800.at import CTRL_Z, Event, Machine, Prompt, Reply, Told
from edge.sim800.codes import CME, CMS, REACTIONS, Reaction, reaction

PDU = "0011000B916407281553F80000AA04F4F29C0E"
OK = Reply(())
CASES: dict[str, tuple[list[str], bytes, list[Event]]] = {
    "an echo before the answer": (["AT"], b"AT\r\r\nOK\r\n", [OK]),
    "no echo": (["AT"], b"\r\nOK\r\n", [OK]),
    "an answer": (
        ["AT+CSQ"],
        b"AT+CSQ\r\r\n+CSQ: 17,0\r\n\r\nOK\r\n",
        [Reply(("+CSQ: 17,0",))],
    ),
    "something else between command and answer": (
        ["AT+CSQ"],
        b'\r\nRING\r\n\r\n+CSQ: 17,0\r\n\r\n+CIEV: 10,"x"\r\n\r\nOK\r\n',
        [Told("RING"), Told('+CIEV: 10,"x"'), Reply(("+CSQ: 17,0",))],
    ),
    "an answer and a message of one name": (
        ["AT+CREG?"],
        b'\r\n+CREG: 5\r\n\r\n+CREG: 1,5\r\n\r\n+CREG: 1,"00A1","00B2"\r\n\r\nOK\r\n',
        [Told("+CREG: 5"), Told('+CREG: 1,"00A1","00B2"'), Reply(("+CREG: 1,5",))],
    ),
    "an error with its number": (["AT+CPIN?"], b"\r\n+CME ERROR: 10\r\n", [Reply((), "CME 10")]),
    "an error without a space": (["AT"], b"\r\n+CME ERROR:53\r\n", [Reply((), "CME 53")]),
    "an error misspelt": (["AT"], b"\r\n+CMS: ERROR 302\r\n", [Reply((), "CMS 302")]),
    "an error cut off": (["AT"], b"\r\n+CMS ERROR:\r\n", [Reply((), "CMS")]),
    "an error in short": (["AT+X"], b"\r\nERROR\r\n", [Reply((), "ERROR")]),
    "an error and then a stray prompt": (
        ["AT+CMGS=17!"],
        b"\r\n+CMS ERROR: 304\r\n\r\n> ",
        [Reply((), "CMS 304")],
    ),
    "a prompt has no line end": (["AT+CMGS=17!"], b"AT+CMGS=17\r\r\n> ", [Prompt()]),
    "bytes of nobody before the echo": (["AT"], b"\x00\xff\xfeAT\r\r\nOK\r\n", [OK]),
    "a boot": (
        [],
        b"\r\nRDY\r\n\r\n+CFUN: 1\r\n\r\n+CPIN: READY\r\n\r\nCall Ready\r\n\r\nSMS Ready\r\n",
        [Told(each) for each in ("RDY", "+CFUN: 1", "+CPIN: READY", "Call Ready", "SMS Ready")],
    ),
    "the answer to AT+CPIN?": (
        ["AT+CPIN?"],
        b"\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n",
        [Reply(("+CPIN: SIM PIN",))],
    ),
    "voltages": (
        [],
        b"\r\nUNDER-VOLTAGE WARNNING\r\nOVER-VOLTAGE POWER OFF\r\nNORMAL POWER DOWN\r\n",
        [
            Told(each)
            for each in ("UNDER-VOLTAGE WARNNING", "OVER-VOLTAGE POWER OFF", "NORMAL POWER DOWN")
        ],
    ),
    "a report in two lines": ([], b"\r\n+CDS: 25\r\n0006AB\r\n", [Told("+CDS: 25", "0006AB")]),
    "a text in two lines, within an answer": (
        ["AT"],
        b'\r\n+CMT: "",24\r\n0791\r\n\r\nOK\r\n',
        [Told('+CMT: "",24', "0791"), OK],
    ),
    "a balance before its OK, with a line end inside": (
        ['AT+CUSD=1,"*100#",15'],
        b'\r\n+CUSD: 0,"Balance\n12.34",15\r\n\r\nOK\r\n',
        [Told('+CUSD: 0,"Balance\n12.34",15'), OK],
    ),
    "a balance with a quote inside": (
        ["AT"],
        b'\r\n+CUSD: 0,"Pay 5" now",15\r\n\r\nOK\r\n',
        [Told('+CUSD: 0,"Pay 5" now",15'), OK],
    ),
    "a balance that is never closed, and an answer": (
        ["AT+CSQ"],
        b'\r\n+CUSD: 0,"cut\noff\r\n\r\n+CSQ: 17,0\r\n\r\nOK\r\n',
        [Told('+CUSD: 0,"cut\noff'), Reply(("+CSQ: 17,0",))],
    ),
    "a balance that is never closed, and an error": (
        ["AT+X"],
        b'\r\n+CUSD: 0,"cut off\r\n\r\n+CME ERROR: 3\r\n',
        [Told('+CUSD: 0,"cut off'), Reply((), "CME 3")],
    ),
    "a balance without a string": ([], b"\r\n+CUSD: 4\r\n", [Told("+CUSD: 4")]),
    "a list of texts": (
        ["AT+CMGL=4"],
        b'\r\n+CMGL: 1,1,"",24\r\n0791AA\r\n\r\nOK\r\n',
        [Reply(('+CMGL: 1,1,"",24', "0791AA"))],
    ),
    "a late OK is nobody's": ([], b"\r\nOK\r\n", []),
    "letters that are none": ([], b"\r\n\xff\xfe\r\n", [Told("\xff\xfe")]),
    "several commands in one": (
        ["AT+CSQ;+CREG?"],
        b"\r\n+CSQ: 17,0\r\n\r\n+CREG: 1,1\r\n\r\nOK\r\n",
        [Reply(("+CSQ: 17,0", "+CREG: 1,1"))],
    ),
}


def machine(commands: list[str]) -> Machine:
    made = Machine()
    for command in commands:
        made.command(command.removesuffix("!"), prompts=command.endswith("!"))
    return made


@pytest.mark.parametrize("case", CASES)
def test_what_is_said_is_understood_however_it_is_split(case: str) -> None:
    commands, said, events = CASES[case]
    for first in range(len(said) + 1):
        for second in {first, min(first + 1, len(said)), len(said)}:
            made = machine(commands)
            seen = [
                event
                for part in (said[:first], said[first:second], said[second:])
                for event in made.feed(part)
            ]

            assert seen == events


PIECES = (
    b'+CUSD: 0,"',
    b'"',
    b",15",
    b"\r\n",
    b"\n",
    b"OK",
    b"RING",
    b"+CSQ: 1",
    b"> ",
    b" ",
    b"\0",
)
SAID = st.binary(max_size=300) | st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)


@given(SAID, st.lists(st.integers(0, 300), max_size=5))
def test_whatever_is_said_splits_change_nothing(said: bytes, cuts: list[int]) -> None:
    whole, parts = machine(["AT+CMGS=9!"]), machine(["AT+CMGS=9!"])
    places = sorted({0, len(said), *(min(cut, len(said)) for cut in cuts)})
    pieces = [said[begin:end] for begin, end in pairwise(places)]

    assert whole.feed(said) == [event for piece in pieces for event in parts.feed(piece)]


def test_a_text_is_sent() -> None:
    made = Machine()
    assert made.command("AT+CMGS=17", prompts=True) == b"AT+CMGS=17\r"
    assert made.feed(b"AT+CMGS=17\r\r\n> ") == [Prompt()]
    assert made.data(PDU) == PDU.encode() + CTRL_Z
    seen = made.feed(PDU.encode() + b"\x1a\r\n\r\n+CREG: 5\r\n\r\n+CMGS: 33\r\n\r\nOK\r\n")

    assert seen == [Told("+CREG: 5"), Reply(("+CMGS: 33",))]
    assert Reply(("+CMGS: 33",)).value("+CMGS:") == "33"
    assert not made.busy


def test_after_giving_up_what_comes_is_nobodys() -> None:
    made = Machine()
    made.command("AT+CSQ")
    made.give_up()

    assert made.feed(b"\r\n+CSQ: 17,0\r\n\r\nOK\r\n") == [Told("+CSQ: 17,0")]


def test_noise_without_end_is_forgotten() -> None:
    made = Machine()
    made.command("AT")

    assert made.feed(b"x" * 100_000 + b"\r\n" + b"\r\nOK\r\n") == [OK]
    assert made.feed(b'+CUSD: 0,"' + b"y" * 100_000 + b"\r\nRING\r\n") == [Told("RING")]


def test_a_string_that_is_never_closed_ends_at_the_longest_balance() -> None:
    said = '+CUSD: 0,"' + "y" * 400

    assert Machine().feed(f"\r\n{said}\r\nzz\r\n".encode()) == [Told(said), Told("zz")]


@pytest.mark.parametrize(
    ("error", "given", "expected"),
    [
        ("CMS 38", True, Reaction.RETRY_SLOW),
        ("CMS 41", False, Reaction.RETRY_SOON),
        ("CMS 197", True, Reaction.SENT),
        ("CMS 500", True, Reaction.UNKNOWN),
        ("CME 16", False, Reaction.ROUTE_FATAL),
        ("CMS 15790320", True, Reaction.UNKNOWN),
        ("CMS 604", False, Reaction.RETRY_SOON),
        ("CMS", True, Reaction.UNKNOWN),
        ("ERROR", False, Reaction.RETRY_SOON),
    ],
)
def test_what_an_error_means(error: str, given: bool, expected: Reaction) -> None:
    assert reaction(error, given=given) is expected


def test_no_error_has_two_meanings() -> None:
    listed = [
        code
        for table in (CMS, CME)
        for entries in table.values()
        for entry in entries
        for code in ((entry,) if isinstance(entry, int) else entry)
    ]

    assert len(REACTIONS) == len(listed) == 109
