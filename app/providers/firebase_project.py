"""Which project of Firebase's sends our push messages: read from a URL and a key file."""

import re
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import msgspec
from firebase_admin import credentials

from app.providers.given import read_api, read_options, read_timeout, wrong
from schemas.delivery import Channel

PROJECT = re.compile(r"[a-z][a-z0-9-]{4,61}[a-z0-9]")
OPTIONS = ("api", "ca", "timeout")
TIMEOUT_S = 10.0
EXAMPLE = "write firebase://PROJECT, its id in the Firebase console"


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A project. key: signs in for its service account.

    api: where FCM is, or empty: where it is. ca: a file of certificates to trust, or empty.
    timeout_s: to connect, and then for an answer.
    """

    name: str
    key: Any
    api: str
    ca: str
    timeout_s: float

    def __repr__(self) -> str:
        """Return which it is, and no secret."""
        return f"Project({self.name})"


def read_project(url: str, secret: str | None) -> Project:
    """Return the project that ``url`` names.

    url: ``firebase://PROJECT``, then ``?timeout=`` in seconds, ``&api=`` another place than FCM's
    own and ``&ca=`` a file of certificates to trust there. secret: the JSON of the key of a service
    account, as the Firebase console gives it.

    Raises:
        SettingsError: a part is wrong. What was given is never repeated: it may hold a secret.
    """
    parts = urlsplit(url)
    if not parts.netloc:
        _wrong("no project", EXAMPLE)
    if not PROJECT.fullmatch(parts.netloc):
        _wrong("the project's id is not 6 to 63 of a-z, 0-9 and dash", EXAMPLE)
    if parts.path.strip("/") or parts.fragment:
        _wrong("more than a project and options", EXAMPLE)
    options = read_options(Channel.PUSH, parts.query, OPTIONS)
    ca = options.get("ca", "")
    if ca and not Path(ca).is_file():
        _wrong("no certificates can be read in ca", "name a PEM file that this user may read")
    return Project(
        name=parts.netloc,
        key=_key(secret),
        api=read_api(Channel.PUSH, options.get("api", "")),
        ca=ca,
        timeout_s=read_timeout(Channel.PUSH, options.get("timeout"), TIMEOUT_S),
    )


def _key(secret: str | None) -> credentials.Certificate:
    remedy = "name the service account's JSON in CHANGEOVER_PUSH_SECRET_FILE"
    if not secret:
        _wrong("no key", remedy)
    try:
        return credentials.Certificate(msgspec.json.decode(secret))
    except (ValueError, OSError):  # it may repeat what it was given
        _wrong("the key is none of a service account", remedy)


def _wrong(what: str, remedy: str) -> NoReturn:
    wrong(Channel.PUSH, what, remedy)
