"""The mail itself: what a reader finds in the bytes."""

from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import Message

from hypothesis import given
from hypothesis import strategies as st

from app.providers.provider import Outgoing
from app.providers.smtp_mail import written
from app.providers.smtp_server import CONTROL, read_server
from schemas.decision import Severity
from tests.providers.smtp_texts import a_text

SERVER = read_server("smtp://mail.example.com?from=Changeover%20<alerts@example.com>", None)
ALWAYS = (
    "Message-ID", "References", "In-Reply-To", "Date", "From", "To", "Subject", "Auto-Submitted",
)  # fmt: skip
ANYTHING = st.text(st.characters(), max_size=200)
MIME = ("MIME-Version", "Content-Type", "Content-Transfer-Encoding")


def read(text: Outgoing) -> Message:
    return message_from_bytes(written(text, SERVER), policy=policy.compat32)


def headers(text: Outgoing) -> dict[str, str]:
    return {name: value for name, value in read(text).items() if name not in MIME}


def decoded(value: str) -> str:
    return str(make_header(decode_header(value)))


def bodies(text: Outgoing) -> list[tuple[str, str]]:
    """Return type and content of each part that is shown, in order."""
    parts = [part for part in read(text).walk() if not part.is_multipart()]
    return [(each.get_content_type(), _content(each)) for each in parts]


def _content(part: Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode(str(part.get_content_charset())).replace("\r\n", "\n")


def test_a_mail_says_who_what_and_when() -> None:
    assert headers(a_text()) == {
        "Message-ID": f"<{'1f' * 16}@example.com>",
        "References": f"<{'2e' * 16}@example.com>",
        "In-Reply-To": f"<{'2e' * 16}@example.com>",
        "Date": "Thu, 01 Jan 2026 00:00:00 +0000",
        "From": "Changeover <alerts@example.com>",
        "To": "ann@example.com",
        "Subject": "home: lost",
        "Auto-Submitted": "auto-generated",
    }
    assert bodies(a_text()) == [("text/plain", "home: the grid is lost.\n")]


def test_html_is_the_better_of_two_alternatives() -> None:
    text = a_text(text="Світло є", html="<p>Світло є</p>")

    assert read(text).get_content_type() == "multipart/alternative"
    assert bodies(text) == [("text/plain", "Світло є\n"), ("text/html", "<p>Світло є</p>\n")]


def test_only_what_is_critical_is_marked_urgent() -> None:
    critical = headers(a_text(severity=Severity.CRITICAL))

    assert (critical["X-Priority"], critical["Importance"]) == ("1 (Highest)", "high")
    assert tuple(headers(a_text(severity=Severity.INFO))) == ALWAYS


def test_a_page_to_unsubscribe_at_is_one_click_by_https_only() -> None:
    page = "https://example.com/u/" + "x" * 120 + "?a=b&c=%20"

    by_https = headers(a_text(unsubscribe=page))
    by_http = headers(a_text(unsubscribe="http://127.0.0.1/u"))

    assert by_https["List-Unsubscribe"] == f"<{page}>"
    assert by_https["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert by_http["List-Unsubscribe"] == "<http://127.0.0.1/u>"
    assert "List-Unsubscribe-Post" not in by_http


def test_an_episode_whose_name_fits_no_message_id_is_one_thread_too() -> None:
    one, again, other = (headers(a_text(thread=each)) for each in ("a b/c", "a b/c", "a b/d"))

    assert one["References"] == again["References"] != other["References"]
    assert one["References"] == one["In-Reply-To"]


def test_a_mail_of_no_episode_answers_none() -> None:
    assert not {"References", "In-Reply-To"} & set(headers(a_text(id="1f", thread="1f")))


def test_a_sender_beyond_ascii_is_read_back() -> None:
    server = read_server("smtp://h?from=Électricité%20réseau%20<alerts@example.com>", None)
    mail = message_from_bytes(written(a_text(), server))

    assert decoded(mail["From"]) == "Électricité réseau <alerts@example.com>"


def test_newlines_begin_no_header() -> None:
    evil = "x\r\nBcc: eve@example.com\r\n\r\nbody"

    mail = headers(a_text(subject=evil, device=evil, rule=evil, thread=evil, unsubscribe=evil))

    assert set(mail) == {*ALWAYS, "List-Unsubscribe"}
    assert mail["Subject"] == "x  Bcc: eve@example.com    body"


@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_whatever_is_told_is_a_mail_with_the_same_headers(
    subject: str, thread: str, page: str, text: str
) -> None:
    given_all = a_text(subject=subject, device=subject, thread=thread, unsubscribe=page, text=text)

    wire = written(given_all, SERVER)
    mail = headers(given_all)

    assert set(mail) - {"List-Unsubscribe", "List-Unsubscribe-Post"} == set(ALWAYS)
    assert wire.endswith(b"\r\n")
    assert wire.isascii()
    assert not wire.replace(b"\r\n", b"").count(b"\n") + wire.replace(b"\r\n", b"").count(b"\r")
    assert max(map(len, wire.split(b"\r\n"))) <= 998


@given(ANYTHING)
def test_a_subject_is_read_back(subject: str) -> None:
    wanted = CONTROL.sub(" ", subject).strip()

    assert decoded(headers(a_text(subject=subject))["Subject"]) == wanted


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=300))
def test_a_body_is_read_back(text: str) -> None:
    assert bodies(a_text(text=text)) == [("text/plain", text + "\n")]


def test_what_no_mail_may_hold_is_replaced_and_the_rest_is_told() -> None:
    assert bodies(a_text(text="a\0b\ud800c\nd")) == [("text/plain", "a\ufffdb\ufffdc\nd\n")]
