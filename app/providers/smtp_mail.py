"""One text as a mail: the bytes that go to the server. Pure."""

import re
from binascii import b2a_qp
from email.header import Header
from email.utils import format_datetime
from urllib.parse import quote

from app.providers.provider import RECEIPT_HEADER, Outgoing
from app.providers.smtp_server import ADDRESS, CONTROL, Server
from schemas.decision import Severity
from schemas.record import derived_id

BOUNDARY = "=_changeover"  # RFC 2045, 6.7: no line in quoted-printable has an equals sign so
UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # for a body
ATOM = re.compile(r"[A-Za-z0-9_-]{1,64}")
LONGEST_ADDRESS = 254  # octets: RFC 5321, 4.5.3.1.3, without the angle brackets
SUBJECT_LINE = 66  # with "Subject: ", what RFC 5322, 2.1.1 wants of a line
LONGEST_PAGE = 900  # and what it demands, 998, with the name
URL_SAFE = "!#$%&'()*+,/:;=?@[]~"


def name_of(text: Outgoing, server: Server) -> str:
    """Return the Message-ID of ``text``: the same at every try.

    So a second copy is harmless where the mailbox or its reader knows one by its Message-ID, as
    most do.
    """
    return _message_id(text.id, server)


def written(text: Outgoing, server: Server) -> bytes:
    """Return ``text`` as a mail, in lines that end in CRLF.

    All texts of an episode refer to the same Message-ID, the first one too. No mail has it, and
    none needs it: readers gather what shares a reference below a root that they may never have
    seen (RFC 5322, 3.6.4 asks for no more), so whichever comes first, or is lost, it is one thread.

    Raises:
        ValueError: the address is none that a mail can go to.
    """
    if not ADDRESS.fullmatch(text.address) or len(text.address.encode()) > LONGEST_ADDRESS:
        raise ValueError("not an address that a mail can go to")
    # Written line by line: the standard library takes a millisecond, which is most of what a mail
    # costs (``make bench NAME=emails``), breaks long references and URLs into pieces that
    # only it puts together again, and takes no address beyond ASCII.
    head = "".join(f"{name}: {value}\r\n" for name, value in _headers(text, server).items())
    return head.encode() + _body(text)


def _headers(text: Outgoing, server: Server) -> dict[str, str]:
    headers = {"Message-ID": name_of(text, server)}
    if text.thread != text.id:  # a mail answers no mail of its own name
        headers["References"] = headers["In-Reply-To"] = _message_id(text.thread, server)
    headers |= {
        "Date": format_datetime(text.at),
        "From": server.sender_header,
        "To": text.address,
        "Subject": _subject(text.subject),
        "Auto-Submitted": "auto-generated",  # RFC 3834: no vacation message comes back
    }
    if text.severity is Severity.CRITICAL:
        headers |= {"X-Priority": "1 (Highest)", "Importance": "high"}
    if text.callback and len(text.callback) <= LONGEST_PAGE:
        headers[RECEIPT_HEADER] = text.callback
    page = quote(text.unsubscribe, safe=URL_SAFE, errors="replace")
    if page and len(page) <= LONGEST_PAGE:
        headers["List-Unsubscribe"] = f"<{page}>"
        if page.startswith("https:"):
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058, 3.1
    return headers


def _message_id(given: str, server: Server) -> str:
    name = given if ATOM.fullmatch(given) else derived_id(UNFIT.sub("\ufffd", given))
    return f"<{name}@{server.domain}>"


def _subject(given: str) -> str:
    subject = CONTROL.sub(" ", given).strip()
    if subject.isascii() and "=?" not in subject and len(subject) <= SUBJECT_LINE:
        return subject
    return Header(subject, "utf-8", header_name="Subject").encode(linesep="\r\n")


def _body(text: Outgoing) -> bytes:
    """Return the rest of the head, and the body: RFC 2045 and 2046, 5.1.4."""
    parts = [_part("plain", text.text), *([_part("html", text.html)] if text.html else [])]
    if len(parts) == 1:
        return b"MIME-Version: 1.0\r\n" + parts[0]
    rule = f"--{BOUNDARY}".encode()
    head = (
        f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="{BOUNDARY}"\r\n\r\n'
    )
    whole = b"".join(rule + b"\r\n" + part + b"\r\n" for part in parts)
    return head.encode() + whole + rule + b"--\r\n"


def _part(subtype: str, text: str) -> bytes:
    """Return ``text`` with its own head: quoted-printable, which every server on the way takes."""
    lines = "\r\n".join(UNFIT.sub("\ufffd", text).splitlines()) + "\r\n"
    head = (
        f'Content-Type: text/{subtype}; charset="utf-8"\r\n'
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    return head.encode() + b2a_qp(lines.encode())
