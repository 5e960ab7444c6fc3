"""Which mail server takes our mail, who sends it and how it is protected: read from a URL."""

import re
import ssl
from base64 import b64encode
from email.header import Header
from email.utils import formataddr
from ipaddress import ip_address
from typing import NoReturn
from urllib.parse import SplitResult, unquote, urlsplit

import msgspec

from app.providers.given import read_options, read_timeout, wrong
from schemas.delivery import Channel

PORTS = {"smtp": 587, "smtps": 465}  # RFC 6409, 3.1 and RFC 8314, 3.3
LONGEST_HOST = 253  # RFC 1035, 2.3.4, as text
TELLING = 6  # letters of a secret, seen at its beginning, count as all of it
OPTIONS = ("ca", "from", "starttls", "timeout")
TIMEOUT_S = 20.0

HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
LETTER = r"[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff\"(),:;<>@\[\\\]]"  # also beyond ASCII: RFC 6531
ADDRESS = re.compile(rf"{LETTER}{{1,64}}@{LETTER}{{1,253}}")
FROM = re.compile(
    rf"(?:(?P<name>[^<>\"]{{0,100}})<(?P<named>{ADDRESS.pattern})>|(?P<bare>{ADDRESS.pattern}))"
)
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A mail server and the one who sends through it.

    tls_first: TLS begins before SMTP does. context: what TLS must show; None: no TLS at all.
    user, secret: both empty or neither. sender: an ASCII address; sender_header: it, with its name.
    timeout_s: for each reply.
    """

    host: str
    port: int
    tls_first: bool
    context: ssl.SSLContext | None
    user: str
    secret: str
    sender: str
    sender_header: str
    timeout_s: float

    def __repr__(self) -> str:
        """Return where it is, and no secret."""
        return f"Server({self.host}:{self.port})"

    @property
    def domain(self) -> str:
        """Return the sender's domain: the right half of our Message-IDs."""
        return self.sender.rpartition("@")[2]

    def gives_away(self, said: str) -> bool:
        """Return whether ``said`` has the secret in it, or the beginning of it as it travels."""
        login = b64encode(f"\0{self.user}\0{self.secret}".encode())
        travels = (self.secret, b64encode(self.secret.encode()).decode(), login.decode())
        return bool(self.secret) and any(
            form[:TELLING].casefold() in said.casefold() for form in travels
        )


def read_server(url: str, secret: str | None) -> Server:
    """Return the server that ``url`` names.

    url: ``smtp[s]://[user@]host[:port]?from=Name%20<alerts@example.com>``, then ``&timeout=`` in
    seconds, ``&ca=`` a file of certificates to trust instead of the system's, and ``&starttls=``
    ``require`` (so it is without it) or ``never``. secret: the user's password.

    Raises:
        SettingsError: a part is wrong. What was given is never repeated: it may hold a password.
    """
    parts, host, port = _place(url)
    options = read_options(Channel.EMAIL, parts.query, OPTIONS)
    never = _never_encrypted(parts.scheme, options)
    user, password = _login(parts, secret)
    if user and never and not _is_here(host):
        _wrong("a password would travel unprotected", "leave out starttls=never, or the user")
    sender, header = _sender(options.get("from", ""))
    return Server(
        host=host, port=port, tls_first=parts.scheme == "smtps",
        context=None if never else _context(options.get("ca")),
        user=user, secret=password, sender=sender, sender_header=header,
        timeout_s=read_timeout(Channel.EMAIL, options.get("timeout"), TIMEOUT_S),
    )  # fmt: skip


def _wrong(what: str, remedy: str) -> NoReturn:
    wrong(Channel.EMAIL, what, remedy)


def _place(url: str) -> tuple[SplitResult, str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        _wrong("host or port cannot be read", "write smtp://user@mail.example.com:587?from=…")
    if parts.scheme not in PORTS:
        _wrong("the URL is not one of a mail server", "begin it with smtp:// or smtps://")
    if parts.path.strip("/") or parts.fragment:
        _wrong("more than a host and options", "write a / as %2F and a # as %23")
    if not (len(host) <= LONGEST_HOST and HOST.fullmatch(host)) and not _is_ip(host):
        _wrong("no host, or none in ASCII", "write smtp://mail.example.com, beyond ASCII as xn--…")
    if port == 0:
        _wrong("port 0", "write one from 1 to 65535, or none for the usual one")
    return parts, host, port or PORTS[parts.scheme]


def _is_ip(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def _is_here(host: str) -> bool:
    return host == "localhost" or (_is_ip(host) and ip_address(host).is_loopback)


def _never_encrypted(scheme: str, options: dict[str, str]) -> bool:
    wish = options.get("starttls", "require")
    if wish not in {"require", "never"}:
        _wrong("starttls is neither require nor never", "leave it out to require it")
    if scheme == "smtps" and "starttls" in options:
        _wrong("smtps:// is TLS from the beginning", "leave out starttls, or write smtp://")
    if wish == "never" and "ca" in options:
        _wrong("ca without TLS", "leave out ca or starttls=never")
    return wish == "never"


def _login(parts: SplitResult, secret: str | None) -> tuple[str, str]:
    if parts.password is not None:
        _wrong("a password is in the URL", "take it out and give it as the secret")
    try:
        user = unquote(parts.username or "", errors="strict")
    except UnicodeDecodeError:
        _wrong("the user is not UTF-8", "percent-encode its UTF-8 bytes")
    if bool(user) != bool(secret):
        _wrong("user and secret go together", "give both (smtp://user@…), or neither")
    if CONTROL.search(user) or CONTROL.search(secret or ""):
        _wrong("user or secret has a control character", "see whether it ends in a line break")
    return user, secret or ""


def _sender(given: str) -> tuple[str, str]:
    found = FROM.fullmatch(given.strip())
    if not found or CONTROL.search(given):
        _wrong("no sender, or none that is an address", "add from=Name%20<alerts@example.com>")
    name, address = (found["name"] or "").strip(), found["named"] or found["bare"]
    if not address.isascii():
        _wrong("the sender's address is not ASCII", "use one that every mail server takes")
    if name.isascii():
        return address, formataddr((name, address))
    word = Header(name, "utf-8", header_name="From").encode(linesep="\r\n")
    return address, f"{word} <{address}>"


def _context(ca: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError:  # ssl.SSLError is one
        _wrong("no certificates can be read in ca", "name a PEM file that this user may read")
