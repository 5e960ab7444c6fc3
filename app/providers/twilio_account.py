"""Which account of Twilio's sends our texts, and from where: read from a URL."""

import re
from collections.abc import Mapping
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

import msgspec

from app.providers.given import read_api, read_options, read_timeout, wrong
from schemas.delivery import Channel

ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")
KEY = re.compile(r"SK[0-9a-fA-F]{32}")
SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
# E.164, a short code, or a name, which needs a letter: Twilio, "Alphanumeric Sender ID".
SENDER = re.compile(r"\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")
OPTIONS = ("api", "from", "service", "timeout")
TIMEOUT_S = 10.0
EXAMPLE = "twilio://AC…?from=+15550100, or ?service=MG…"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account. sender, service: one of them. key: an API key, or empty: the account itself.

    api: where Twilio's API is, or empty: where it is. timeout_s: for each request.
    """

    sid: str
    secret: str
    key: str
    sender: str
    service: str
    api: str
    timeout_s: float

    def __repr__(self) -> str:
        """Return which it is, and no secret."""
        return f"Account({self.sid})"


def read_account(url: str, secret: str | None) -> Account:
    """Return the account that ``url`` names.

    url: ``twilio://ACCOUNT?from=NUMBER``, or ``?service=`` a Messaging Service; with an API key
    ``twilio://KEY@ACCOUNT``; then ``&timeout=`` in seconds and ``&api=`` another place than
    Twilio's own. secret: the auth token, or the key's secret.

    Raises:
        SettingsError: a part is wrong. What was given is never repeated: it may hold a secret.
    """
    parts = urlsplit(url)
    user, account = _account(parts)
    if not secret:
        _wrong("no auth token", "put it into a file, and name that in CHANGEOVER_SMS_SECRET_FILE")
    options = read_options(Channel.SMS, parts.query, OPTIONS)
    sender, service = _sender(options)
    return Account(
        sid=account,
        secret=secret,
        key=user,
        sender=sender,
        service=service,
        api=read_api(Channel.SMS, options.get("api", "")),
        timeout_s=read_timeout(Channel.SMS, options.get("timeout"), TIMEOUT_S),
    )


def _account(parts: SplitResult) -> tuple[str, str]:
    """Return the API key, or nothing, and the account."""
    user, _, account = parts.netloc.rpartition("@")
    if ":" in user:
        _wrong("a secret is in the URL", "take it out and give CHANGEOVER_SMS_SECRET_FILE")
    if not account:
        _wrong("no account", f"write {EXAMPLE}")
    if not ACCOUNT.fullmatch(account):
        _wrong("the account is not AC and 32 hex digits", f"write {EXAMPLE}")
    if user and not KEY.fullmatch(user):
        _wrong("the API key is not SK and 32 hex digits", "write twilio://SK…@AC…")
    if parts.path.strip("/") or parts.fragment:
        _wrong("more than an account and options", f"write {EXAMPLE}")
    return user, account


def _sender(options: Mapping[str, str]) -> tuple[str, str]:
    """Return the number or name that texts come from, and the Messaging Service; one is empty."""
    sender, service = options.get("from", ""), options.get("service", "")
    if bool(sender) == bool(service):
        _wrong("from or service is needed, and not both", f"write {EXAMPLE}")
    if sender and not SENDER.fullmatch(sender):
        _wrong(
            "from is no number",
            "write it as from=+15550100, or a short code of 3 to 8 digits, or a name with a letter",
        )
    if service and not SERVICE.fullmatch(service):
        _wrong("service is none of Twilio's", "write the MG… of a Messaging Service")
    return sender, service


def _wrong(what: str, remedy: str) -> NoReturn:
    wrong(Channel.SMS, what, remedy)
