"""What the environment says, read once at start into a frozen struct and passed along."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from app import refusals
from schemas import topics
from schemas.delivery import Channel
from schemas.duration import Duration, dec_hook

SERVER = re.compile(r"[^\s:/]+:\d{1,5}|\[[0-9a-fA-F:.]+\]:\d{1,5}")
FOLDER = "folder"
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
PublicUrl = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^$|^https?://[^\s?#]+$",
        description="a URL without ? or #, as https://alerts.example.com",
    ),
]

VARIABLES = {
    "home": "CHANGEOVER_HOME",
    "bootstrap": "KAFKA_BOOTSTRAP_SERVERS",
    "broker_port": "CHANGEOVER_BROKER_PORT",
    "partitions": "CHANGEOVER_PARTITIONS",
    "rules": "CHANGEOVER_RULES",
    "database": "CHANGEOVER_DATABASE",
    "outbox": "CHANGEOVER_OUTBOX",
    "dashboard_port": "CHANGEOVER_DASHBOARD_PORT",
    "silent_after": "CHANGEOVER_SILENT_AFTER",
    "grouping": "CHANGEOVER_GROUPING",
    "templates": "CHANGEOVER_TEMPLATES",
    "email": "CHANGEOVER_EMAIL",
    "sms": "CHANGEOVER_SMS",
    "push": "CHANGEOVER_PUSH",
    "email_secret_file": "CHANGEOVER_EMAIL_SECRET_FILE",
    "sms_secret_file": "CHANGEOVER_SMS_SECRET_FILE",
    "push_secret_file": "CHANGEOVER_PUSH_SECRET_FILE",
    "public_url": "CHANGEOVER_PUBLIC_URL",
    "receipts_port": "CHANGEOVER_RECEIPTS_PORT",
    "links_key_file": "CHANGEOVER_LINKS_KEY_FILE",
}


class SettingsError(Exception):
    """A setting is wrong; the sentence names the variable and what would be right."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is.

    home: the folder that holds everything local.
    bootstrap: ``host:port[,host:port…]`` of a cluster of the user's, or empty: ours is used.
    rules: the rules file; None is the default rules.
    database: an SQLAlchemy URL, or empty: an SQLite file in ``home``.
    outbox: the folder that receives messages, or empty: one in ``home``.
    silent_after: how long nothing is heard of a device until it is silent.
    grouping: for how long a second message to an address waits, so that it takes others along.
    templates: a folder of templates that take the place of our own, or empty.
    email, sms, push: who carries messages away: ``folder``, or a provider's URL.
    email_secret_file and so on: the file that holds its password or token, and nothing else.
    public_url: where ``changeover receipts`` is seen from outside, or empty: no receipts.
    receipts_port: on which it listens. links_key_file: the key of the links it believes, or empty:
    one in ``home``, which programs on other machines then cannot have.
    """

    home: str = ".changeover"
    bootstrap: str = ""
    broker_port: Port = 9092
    partitions: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = topics.PARTITIONS
    rules: str | None = None
    database: str = ""
    outbox: str = ""
    dashboard_port: Port = 8470
    silent_after: Duration = Duration(minutes=5)
    grouping: Duration = Duration(minutes=2)
    templates: str = ""
    email: str = FOLDER
    sms: str = FOLDER
    push: str = FOLDER
    email_secret_file: str = ""
    sms_secret_file: str = ""
    push_secret_file: str = ""
    public_url: PublicUrl = ""
    receipts_port: Port = 8471
    links_key_file: str = ""

    @property
    def home_dir(self) -> Path:
        """Return the folder that holds everything local, absolute."""
        return Path(self.home).absolute()

    @property
    def servers(self) -> str:
        """Return the bootstrap servers to connect to: the user's cluster, else our own node."""
        return self.bootstrap or f"127.0.0.1:{self.broker_port}"

    @property
    def database_url(self) -> str:
        """Return the SQLAlchemy URL of people, devices and projections."""
        return self.database or f"sqlite:///{self.home_dir / 'changeover.db'}"

    @property
    def outbox_dir(self) -> Path:
        """Return the folder in which messages lie that no provider takes."""
        return Path(self.outbox).absolute() if self.outbox else self.home_dir / "outbox"

    @property
    def templates_dir(self) -> Path | None:
        """Return the folder of templates that take the place of our own, if there is one."""
        return Path(self.templates).absolute() if self.templates else None

    def provider(self, channel: Channel) -> str:
        """Return who carries away the messages of ``channel``."""
        url: str = getattr(self, channel.value)
        return url

    def secret(self, channel: Channel) -> str | None:
        """Return the password or token of the provider of ``channel``, if one is named.

        Raises:
            SettingsError: its file cannot be read, or is empty.
        """
        file: str = getattr(self, f"{channel.value}_secret_file")
        if not file:
            return None
        variable = VARIABLES[f"{channel.value}_secret_file"]
        try:
            secret = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", "") or "it is no text"
            raise SettingsError(f"environment: {variable}: {file}: {reason}") from None
        if not secret:
            raise SettingsError(f"environment: {variable}: {file}: the file is empty")
        return secret

    def environment(self) -> dict[str, str]:
        """Return the variables that make a child process read these same settings."""
        values = msgspec.structs.asdict(self) | {"home": str(self.home_dir)}
        # The empty ones too: the child must not find another in its parent's environment.
        return {VARIABLES[field]: str(value or "") for field, value in values.items()}


def read(environ: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings in ``environ``.

    Raises:
        SettingsError: a value is not what it must be.
    """
    given = {field: environ[name] for field, name in VARIABLES.items() if environ.get(name)}
    servers = given.get("bootstrap", "")
    if servers and not all(SERVER.fullmatch(each.strip()) for each in servers.split(",")):
        raise SettingsError(
            f"environment: KAFKA_BOOTSTRAP_SERVERS: {servers!r} is not host:port[,host:port…]"
        )
    try:
        settings = msgspec.convert(given, Settings, strict=False, dec_hook=dec_hook)
    except msgspec.ValidationError as error:
        field, what = refusals.words(error, Settings)
        raise SettingsError(f"environment: {VARIABLES.get(field, field)}: {what}") from None
    if settings.templates_dir and not settings.templates_dir.is_dir():
        raise SettingsError(f"environment: CHANGEOVER_TEMPLATES: {settings.templates} is no folder")
    return settings
