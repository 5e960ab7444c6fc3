"""Addresses that only we can make: each carries what it is about, under our own MAC."""

import hashlib
import hmac
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from app.settings import Settings, SettingsError
from schemas.delivery import Channel

KEY_BYTES = 32
MAC_BYTES = 16  # half of SHA-256's: RFC 2104, 5 wants no less
T = TypeVar("T", bound="About | Unsubscribe")


class About(msgspec.Struct, frozen=True, array_like=True, tag="r"):
    """Try number ``attempt`` of a text; message, notification: its first; useful_ms: until when."""

    recipient: str
    channel: Channel
    address: str
    message: str
    notification: str
    attempt: str
    useful_ms: int

    @property
    def named(self) -> dict[str, Any]:
        """Return what a record on ``deliveries`` about it begins with."""
        return {
            "message": self.message,
            "notification": self.notification,
            "recipient": self.recipient,
            "channel": self.channel,
            "attempt": self.attempt,
        }


class Unsubscribe(msgspec.Struct, frozen=True, array_like=True, tag="u"):
    """An email address that may want no more."""

    address: str


class Links:
    """Makes and reads addresses below ``url``."""

    def __init__(self, url: str, key: bytes) -> None:
        """url: where the receipts' server is seen from outside, or empty: nowhere."""
        self._url = url.rstrip("/")
        self._key = key

    def receipt(self, about: About) -> str:
        """Return where receipts of ``about`` go; empty: nowhere."""
        return f"{self._url}/receipts/{self._signed(about)}" if self._url else ""

    def unsubscribe(self, address: str) -> str:
        """Return the page that stops emails to ``address``; empty: there is none."""
        signed = self._signed(Unsubscribe(address))
        return f"{self._url}/unsubscribe/{signed}" if self._url else ""

    def at(self, path: str) -> str:
        """Return what is seen from outside as ``path``."""
        return self._url + path

    def read(self, token: str, kind: type[T]) -> T | None:
        """Return what ``token`` carries, if it is of ``kind`` and we made it."""
        text, _, mac = token.partition(".")
        if not hmac.compare_digest(self._mac(text.encode()), mac.encode()):
            return None
        try:
            return msgspec.msgpack.decode(urlsafe_b64decode(text + "=="), type=kind)
        except (ValueError, msgspec.MsgspecError):
            return None

    def _signed(self, what: About | Unsubscribe) -> str:
        text = urlsafe_b64encode(msgspec.msgpack.encode(what)).rstrip(b"=")
        return f"{text.decode()}.{self._mac(text).decode()}"

    def _mac(self, text: bytes) -> bytes:
        mac = hmac.digest(self._key, text, hashlib.sha256)[:MAC_BYTES]
        return urlsafe_b64encode(mac).rstrip(b"=")


def of(settings: Settings) -> Links:
    """Return the links of this installation; its key is made when it is first needed.

    Raises:
        SettingsError: the key cannot be read, or is too short to be one.
    """
    if not settings.public_url:
        return Links("", b"")
    file = Path(settings.links_key_file or settings.home_dir / "links.key")
    try:
        if not settings.links_key_file:
            _make(file)
        key = file.read_bytes().strip()
    except OSError as error:
        raise SettingsError(f"environment: CHANGEOVER_LINKS_KEY_FILE: {error}") from None
    if len(key) < KEY_BYTES:
        raise SettingsError(
            f"environment: CHANGEOVER_LINKS_KEY_FILE: {file} has fewer than {KEY_BYTES} bytes; "
            "`openssl rand -hex 32` writes enough"
        )
    return Links(settings.public_url, key)


def _make(file: Path) -> None:
    """Write a key to ``file`` unless there is one; of two that try, one's is kept."""
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_hex(KEY_BYTES))
    try:
        os.link(draft, file)
    except FileExistsError:  # another program was first
        pass
    finally:
        draft.unlink()
