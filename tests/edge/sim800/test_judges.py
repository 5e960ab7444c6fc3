"""Our PDUs as others read them: smspdudecoder and Gammu. Skipped where they are not installed.

They are judges only, and no dependency: `pip install smspdudecoder 'bitstring<5' python-gammu`.
"""

from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sim800.pdu import Part, submit
from edge.sim800.received import Deliver, StatusReport, decode
from schemas import gsm
from tests.edge.sim800.test_received import REPORT, STAMP, delivered

fields = pytest.importorskip("smspdudecoder.fields", reason="smspdudecoder is not installed")
gammu = pytest.importorskip("gammu", reason="python-gammu is not installed")

NUMBERS = st.from_regex(r"\+[1-9][0-9]{6,14}|[0-9]{3,15}", fullmatch=True)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
# Gammu misreads extension letters in GSM, ends a text at NUL, and means something of its own by
# other controls in UCS-2.
GAMMU_TEXT = st.text(st.sampled_from(sorted(set(gsm.BASIC) - {"\x1b"})), max_size=500) | st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=list(gsm.EXTENSION.values())),
    max_size=300,
)
GSM_TEXT = st.text(st.sampled_from(sorted(gsm.CODES)), max_size=500)
REFERENCES = st.integers(0, 255)


def read_by_smspdudecoder(part: Part) -> tuple[dict[str, Any], str]:
    """Return the fields of ``part``, and its text without the "@" that is this judge's own.

    It takes seven bits of fill for a septet where the extension table was used.
    """
    found = fields.SMSSubmit.decode(StringIO(part.pdu))
    text = found["user_data"]["data"]
    octets = bytes.fromhex(part.pdu)
    coding = 5 + (octets[3] + 1) // 2 + 1
    filled = octets[coding] == 0 and octets[coding + 2] % 8 == 7
    extended = any(len(gsm.CODES.get(letter, ())) > 1 for letter in text)
    return found, text.removesuffix("@") if filled and extended else text


@given(NUMBERS, GSM_TEXT | ANY_TEXT, REFERENCES, st.booleans())
def test_smspdudecoder_reads_what_is_submitted(
    number: str, text: str, reference: int, report: bool
) -> None:
    parts = submit(number, text, reference, report=report)
    read = [read_by_smspdudecoder(part) for part in parts]

    assert "".join(said for _, said in read) == text
    for ordinal, (found, _) in enumerate(read, 1):
        assert found["recipient"]["number"] == number.removeprefix("+")
        assert found["header"]["srr"] is report
        header = found["user_data"]["header"]
        place = [element["data"] for element in header["elements"]] if header else []
        of = {"reference": reference, "parts_count": len(parts), "part_number": ordinal}
        assert place == ([of] if len(parts) > 1 else [])


@given(NUMBERS, GAMMU_TEXT, REFERENCES)
def test_gammu_reads_what_is_submitted(number: str, text: str, reference: int) -> None:
    parts = submit(number, text, reference, report=False)
    read = [gammu.DecodePDU(bytes.fromhex(part.pdu)) for part in parts]

    assert "".join(each["Text"] for each in read) == text
    assert {each["Number"] for each in read} == {number}
    places = [(each["UDH"]["ID8bit"], each["UDH"]["PartNumber"]) for each in read]
    assert len(parts) == 1 or places == [(reference, part) for part in range(1, len(parts) + 1)]


@given(st.sampled_from(sorted(set(gsm.CODES) - {"\r"})), st.integers(1, 400))
def test_gammu_needs_as_many_parts(letter: str, length: int) -> None:
    entry = {"ID": "ConcatenatedTextLong", "Buffer": letter * length}
    theirs = gammu.EncodeSMS({"Class": -1, "Unicode": False, "Entries": [entry]})

    assert len(submit("123", letter * length, 1, report=False)) == len(theirs)


@given(NUMBERS, GAMMU_TEXT, REFERENCES)
def test_gammu_reads_what_comes_as_we_do(number: str, text: str, reference: int) -> None:
    for part in submit(number, text, reference, report=False):
        pdu = delivered(part)
        ours, theirs = decode(pdu), gammu.DecodePDU(bytes.fromhex(pdu))

        assert isinstance(ours, Deliver)
        assert (ours.sender, ours.text) == (theirs["Number"], theirs["Text"])
        assert ours.sent_at == theirs["DateTime"]


@pytest.mark.parametrize(
    ("theirs", "states"),
    [("Delivered", range(0x03)), ("Pending", range(0x20, 0x40)), ("Failed", range(0x40, 0x80))],
)
def test_gammu_says_the_same_of_a_report(theirs: str, states: range) -> None:
    same = {"Delivered": "delivered", "Pending": "trying", "Failed": "failed"}
    assert REPORT.count(STAMP) == 2
    for status in states:
        pdu = f"{REPORT[:-2]}{status:02X}"
        report = decode(pdu)

        assert isinstance(report, StatusReport)
        assert gammu.DecodePDU(bytes.fromhex(pdu))["Text"] == theirs
        assert report.outcome == same[theirs]
