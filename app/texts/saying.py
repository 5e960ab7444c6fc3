"""Templates to texts."""

import re
import traceback
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import structlog
from jinja2 import (
    BaseLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateSyntaxError,
    select_autoescape,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from schemas import gsm
from schemas.decision import Decision, Fact, Kind, Severity
from schemas.delivery import Channel, Message
from schemas.handover import Digest
from tables import wording
from tables.limits import zone_or_utc

log = structlog.get_logger()
FALLBACK = "en"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")  # RFC 3339
TEMPLATES = Path(str(resources.files("app.texts"))) / "templates"
LISTED = {Channel.SMS: 3, Channel.PUSH: 5, Channel.EMAIL: 20}  # lines of a text of several
MOST_PARTS = 3  # of a text message (design §10)
LONGEST = 100_000  # characters that a template of one's own may make: no record carries many more


class TextsError(Exception):
    """A template is wrong; the sentence names the file, the line and what is wrong there."""


class Said(msgspec.Struct, frozen=True):
    """What a message says. short: the same in one line, for a text of several."""

    subject: str
    text: str
    short: str


class Files(FileSystemLoader):
    """Templates in folders; one that is not UTF-8 is wrong as any other is."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Any]:
        """Return a template, its path, and whether it is as it was."""
        try:
            return super().get_source(environment, template)
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise TemplateSyntaxError("it is not UTF-8", line, template) from error


class Texts:
    """The templates of every language."""

    def __init__(self, folder: Path | None = None, otherwise: "Texts | None" = None) -> None:
        """Read templates from ``folder``, those that are not there from our own.

        otherwise: whose texts are said where a template of ``folder`` is wrong.
        """
        self._otherwise = otherwise
        self._foreign = folder is not None
        folders = [TEMPLATES] if folder is None else [folder, TEMPLATES]
        self._environment = ImmutableSandboxedEnvironment(
            loader=Files(folders),
            undefined=StrictUndefined,
            autoescape=select_autoescape(("html.j2",)),
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=2_000,
        )
        self._environment.filters["span"] = wording.lasting

    @property
    def languages(self) -> tuple[str, ...]:
        """Return the languages there are templates of."""
        loader = self._environment.loader
        assert isinstance(loader, BaseLoader)  # noqa: S101 - set above
        return tuple(sorted({name.split("/")[0] for name in loader.list_templates()}))

    def of(
        self,
        decision: Decision,
        channel: Channel,
        language: str = FALLBACK,
        zone: str = "UTC",
        now: datetime | None = None,
        clear_for: timedelta = wording.NO_TIME,
        *,
        again: bool = False,
    ) -> Said:
        """Return what is said of ``decision`` by ``channel``.

        now: when it is said; by default when it was decided. zone: of the times that it names.
        clear_for: how long it was gone when it was resolved. again: the device may have texted it.
        """
        facts = _facts(decision, zone, now or decision.at, clear_for) | {"again": again}
        problem = self._render(language, f"problem/{decision.rule}", "problem", facts)
        facts |= {"problem": problem}
        subject, text, short = (
            self._render(language, f"{name}/{decision.rule}", name, facts)
            for name in ("subject", channel.value, "short")
        )
        return Said(subject, _fitted(text, channel), short)

    def digest(
        self, digest: Digest, channel: Channel, language: str = FALLBACK, zone: str = "UTC"
    ) -> Said:
        """Return what is said of several decisions that are all over."""
        shorts = [self.of(each, channel, language, zone).short for each in digest.decisions]
        count = len(shorts) + digest.unlisted
        facts = {"device": wording.printable(digest.device), "count": count}
        facts |= _listed(shorts, count, channel)
        said = [self._render(language, name, name, facts) for name in ("over_subject", "over")]
        return Said(said[0], _fitted(said[1], channel), said[0])

    def several(
        self, messages: Sequence[Message], unsaid: Sequence[str] = (), unsaid_count: int = 0
    ) -> Said:
        """Return what one text says that tells of all ``messages``, the newest last.

        It is called by the worst, and lists the worst first; of those as bad, the newest.

        unsaid: of messages that were not told in time, as far as they are named.
        """
        ordered, count = _worst_first(messages), len(messages)
        first = ordered[0]
        if count == 1 and not unsaid_count:
            return Said(first.subject, first.text, first.short)
        shown = ordered[: LISTED[first.channel]]
        facts: dict[str, Any] = {"lines": [each.short or each.subject for each in shown]}
        facts |= {"earlier": count - len(shown), "count": count}
        facts |= {"unsaid": list(unsaid), "unsaid_count": unsaid_count}
        facts |= {"subject": first.subject, "text": first.text}
        subject, text = (
            self._render(first.language, name, name, facts)
            for name in ("subject_several", "several")
        )
        return Said(subject, _fitted(text, first.channel), first.short)

    def html(self, subject: str, text: str, severity: str, language: str) -> str:
        """Return a page for an email that says ``text``."""
        facts = {"subject": subject, "lines": text.split("\n"), "severity": severity}
        return self._render(language, "email.html", "email.html", facts | {"language": language})

    def _render(self, language: str, own: str, common: str, facts: dict[str, Any]) -> str:
        name = f"{language}/{own}.j2"
        try:
            template = self._template(language, own, common)
            name = template.name or name
            return self._checked(template.render(facts).strip())
        except Exception as error:  # a template is a program: it fails as programs do
            reason = _where(error, name)
            if self._otherwise is None:
                raise TextsError(reason) from error
            log.exception("template_failed", reason=reason)
            return self._otherwise._render(language, own, common, facts)

    def _checked(self, text: str) -> str:
        if self._foreign and len(text) > LONGEST:
            raise ValueError(f"it makes {len(text)} characters, more than {LONGEST}")
        return text

    @lru_cache(maxsize=2_000)  # noqa: B019 - there is one of these for as long as the program runs
    def _template(self, language: str, own: str, common: str) -> Template:
        languages = dict.fromkeys((language, FALLBACK))
        names = [f"{each}/{name}.j2" for each in languages for name in (own, common)]
        return self._environment.select_template(names)


def _worst_first(messages: Sequence[Message]) -> list[Message]:
    """Return ``messages``, of which the newest is last, the worst first and of those the newest."""
    ranks = list(Severity)
    return sorted(messages, key=lambda each: ranks.index(each.severity))[::-1]


def _fitted(text: str, channel: Channel) -> str:
    """Return ``text`` as ``channel`` carries it: a text message in GSM-7 where it can be."""
    return gsm.fitted(gsm.readable(text), MOST_PARTS) if channel is Channel.SMS else text


def _listed(lines: list[str], count: int, channel: Channel) -> dict[str, Any]:
    shown = lines[-LISTED[channel] :]
    return {"lines": shown, "earlier": count - len(shown)}


def _facts(decision: Decision, zone: str, now: datetime, clear_for: timedelta) -> dict[str, Any]:
    """Return what templates know, all of it free of control characters."""
    gone = clear_for if decision.kind is Kind.RESOLVED else wording.NO_TIME
    end = decision.at - gone if decision.kind is Kind.RESOLVED else now
    local = zone_or_utc(zone)
    began, told = decision.episode.astimezone(local), now.astimezone(local)
    return {
        "id": decision.id,
        "device": wording.printable(decision.device),
        "rule": wording.printable(decision.rule),
        "kind": str(decision.kind),
        "severity": str(decision.severity),
        "said": wording.problem(decision),
        "cause": {field: _plain(value, now, local) for field, value in decision.cause.items()},
        "since": _time(began, told),
        "zone": began.tzname() or zone,
        "lasted": wording.lasting(_minutes(max(wording.NO_TIME, end - decision.episode))),
        "suppressed": decision.suppressed,
    }


def _plain(value: Fact, now: datetime, local: tzinfo) -> str:
    """Return a fact in words; an instant at the clock of whoever reads it."""
    if isinstance(value, str) and INSTANT.fullmatch(value):
        with suppress(ValueError, OverflowError):
            at = datetime.fromisoformat(value).astimezone(local)
            return f"{_time(at, now.astimezone(local))} {at.tzname()}"
    return wording.plain(value)


def _time(at: datetime, told: datetime) -> str:
    return f"{at:%H:%M}" if at.date() == told.date() else f"{at:%d %b %H:%M}"


def _minutes(span: timedelta) -> timedelta:
    """Return ``span`` without its seconds, if it is longer than that matters."""
    minute = timedelta(minutes=1)
    return span // minute * minute if span >= 10 * minute else span


def _where(error: Exception, name: str) -> str:
    """Return what is wrong, with the file and the line."""
    what = getattr(error, "message", None) or f"{type(error).__name__}: {error}"
    file, line = getattr(error, "name", None) or name, getattr(error, "lineno", None)
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.endswith(".j2"):
            file, line = frame.filename, frame.lineno
    place = file if line is None else f"{file}:{line}"
    return f"{place}: {what}"
