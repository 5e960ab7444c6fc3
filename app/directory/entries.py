"""What the directory holds, as people write it: on the command line, in CSV and in JSON."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from schemas.decision import Severity
from schemas.delivery import Channel, Quiet
from tables.routing import Role, When

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
LANGUAGE = re.compile(r"[a-z]{2}")  # ISO 639-1
QUIET = re.compile(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d")
OFF = "off"
LONGEST = 200  # characters of a device's name, as in records
LATEST = 9998  # a year after which an instant may not exist in every zone
# As browsers check one: HTML, the rule of a valid email address.
MAILBOX = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+"
HOST = r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*"
ADDRESSES = {
    Channel.EMAIL: (re.compile(rf"{MAILBOX}@{HOST}"), "an email address, as in ann@example.com"),
    Channel.SMS: (re.compile(r"\+[1-9][0-9]{6,14}"), "an E.164 number, as in +2348012345678"),
    Channel.PUSH: (re.compile(r"(?!fid:$)\S+"), "a registration without spaces"),
}
Flags = Mapping[Severity, When]
Listed = Annotated[str, msgspec.Meta(max_length=LONGEST)]
# By the name of a role, who has it.
Roles = tuple[tuple[Role, tuple[str, ...]], ...]


class DirectoryError(Exception):
    """What was asked for cannot be; the sentence says why. Nothing was changed."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the directory. what: what it is called, as the field is that names it."""

    what: ClassVar[str]

    @property
    def key(self) -> str:
        """Return what names it among its like."""
        name: str = getattr(self, self.what)
        return name

    def over(self, now: datetime) -> bool:
        """Return whether it says nothing any more."""
        return False

    def check(self) -> None:
        """Return if it can be.

        Raises:
            DirectoryError: it cannot.
        """
        if not ID.fullmatch(self.key):
            raise DirectoryError(
                f"{self.key!r} cannot be a {self.what}'s id: "
                "letters, digits, dot, dash and underscore"
            )


class Person(Entry, frozen=True, kw_only=True):
    """Somebody who may be told.

    quiet: local times, as 22:00-07:00, between which only what is critical is told; empty or
    ``off``: there are none.
    email, sms, push: when to tell by it: one of ``When``, or as critical=always,warning=unanswered,
    for each severity; what is not named is never.
    """

    what: ClassVar[str] = "person"
    person: Listed
    name: Listed = ""
    language: Listed = "en"
    zone: Listed = "UTC"
    quiet: Listed = ""
    email: Listed = When.ALWAYS.value
    sms: Listed = When.ALWAYS.value
    push: Listed = When.ALWAYS.value

    def check(self) -> None:
        """Return if it can be."""
        super().check()
        if not LANGUAGE.fullmatch(self.language):
            raise DirectoryError(f"{self.language!r} is no language of ISO 639-1, as en or fr")
        check_zone(self.zone)
        if self.quiet not in {"", OFF} and not QUIET.fullmatch(self.quiet):
            raise DirectoryError(f"{self.quiet!r} are no quiet hours, as 22:00-07:00")
        if self.quiet and self.quiet[:5] == self.quiet[6:]:
            raise DirectoryError(f"quiet hours {self.quiet} never end; turn channels off")
        for channel in Channel:
            self.flags(channel)

    def flags(self, channel: Channel) -> Flags:
        """Return when to tell by ``channel``, by severity."""
        text: str = getattr(self, channel.value)
        return read_flags(channel, text)

    def hours(self) -> Quiet | None:
        """Return the quiet hours, if there are any."""
        if self.quiet in {"", OFF}:
            return None
        begins, _, ends = self.quiet.partition("-")
        return Quiet(from_=begins, to=ends, tz=self.zone)


class Contact(Entry, frozen=True, kw_only=True):
    """One address of a person. verified: it is the person's, as a code or somebody showed."""

    what: ClassVar[str] = "contact"
    person: Listed
    channel: Channel
    address: Annotated[str, msgspec.Meta(max_length=4096)]
    verified: bool = False

    @property
    def key(self) -> str:
        """Return person, channel and address."""
        return f"{self.person} {self.channel} {self.address}"

    def check(self) -> None:
        """Return if it can be."""
        check_address(self.channel, self.address)


class Held(Entry, frozen=True, kw_only=True):
    """Something on which people have roles. Each role: who is asked first is named first."""

    owners: tuple[str, ...] = ()
    watchers: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()

    def roles(self) -> Roles:
        """Return who has which role."""
        return (
            (Role.OWNER, self.owners),
            (Role.WATCHER, self.watchers),
            (Role.OPERATOR, self.operators),
        )

    def check(self) -> None:
        """Return if it can be."""
        named = [person for _, people in self.roles() for person in people]
        twice = {each for each in named if named.count(each) > 1}
        if twice:
            raise DirectoryError(f"{min(twice)} has more than one role on {self.key}")


class Device(Held, frozen=True, kw_only=True):
    """A device. groups: those it is in."""

    what: ClassVar[str] = "device"
    device: str
    groups: tuple[str, ...] = ()

    def check(self) -> None:
        """Return if it can be."""
        name = self.device
        if not 1 <= len(name) <= LONGEST or name != name.strip() or not name.isprintable():
            raise DirectoryError(
                f"{name!r} cannot be a device's name: 1 to {LONGEST} characters, no outer spaces"
            )
        super().check()


class Group(Held, frozen=True, kw_only=True):
    """Devices that have something in common: a role on it is one on each of them."""

    what: ClassVar[str] = "group"
    group: str

    def check(self) -> None:
        """Return if it can be."""
        Entry.check(self)
        super().check()


class Silence(Entry, frozen=True, kw_only=True):
    """Nothing is told until then: of a device, of a group's devices, or of all.

    rule: of it alone; or empty.
    """

    what: ClassVar[str] = "silence"
    silence: Listed
    until: datetime
    author: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST)]
    device: Listed = ""
    group: Listed = ""
    all: bool = False
    rule: Listed = ""
    reason: Listed = ""

    def check(self) -> None:
        """Return if it can be."""
        super().check()
        if self.until.tzinfo is None:
            raise DirectoryError(f"silence {self.silence}: until has no zone, as Z for UTC")
        if self.until.year > LATEST:
            raise DirectoryError(f"silence {self.silence}: until must be before {LATEST + 1}")
        if self.device and self.group:
            raise DirectoryError(f"silence {self.silence}: of a device or of a group, not of both")
        if self.all == bool(self.device or self.group):  # nobody means all by leaving out
            raise DirectoryError(
                f"silence {self.silence}: name a device or a group, or say all=true and name none"
            )

    def over(self, now: datetime) -> bool:
        """Return whether it has ended."""
        return self.until.tzinfo is not None and self.until <= now  # else ``check`` refuses it

    def covers(self, device: str, groups: Iterable[str], rule: str) -> bool:
        """Return whether it is about ``rule`` on ``device``, which is in ``groups``."""
        on = (not self.device or self.device == device) and (not self.group or self.group in groups)
        return on and self.rule in {"", rule}


def check_zone(name: str) -> None:
    """Return if there is a time zone of that ``name``.

    Raises:
        DirectoryError: there is none.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise DirectoryError(f"{name!r} is no time zone, as Africa/Lagos") from None


def check_address(channel: Channel, address: str) -> None:
    """Return if ``address`` can be one of ``channel``.

    Raises:
        DirectoryError: it cannot; the sentence shows one that could.
    """
    form, words = ADDRESSES[channel]
    if len(address) > LONGEST:  # as in records: a longer one could not be told anything
        raise DirectoryError(f"{channel}: an address has at most {LONGEST} characters")
    if not form.fullmatch(address) or not address.isprintable():
        raise DirectoryError(f"{channel}: {address!r} is not {words}")


def read_flags(channel: Channel, text: str) -> Flags:
    """Return when to tell by ``channel``, by severity.

    Raises:
        DirectoryError: ``text`` does not say that.
    """
    try:
        if "=" not in text:
            return dict.fromkeys(Severity, When(text))
        parts = [part.partition("=") for part in text.split(",")]
        given = {Severity(name.strip()): When(when.strip()) for name, _, when in parts}
    except ValueError:
        raise DirectoryError(
            f"{channel}: {text!r} is none of {', '.join(When)}, and not for each severity, as in "
            "critical=always,warning=unanswered,info=never"
        ) from None
    return {severity: given.get(severity, When.NEVER) for severity in Severity}
