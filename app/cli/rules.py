"""``changeover rules``: what is watched, for how long; every version, and who wrote it."""

import asyncio
import getpass
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click
import msgspec

from app import rules_file, rules_topic
from app.cli.instants import INSTANT
from app.cli.reporting import surroundings
from app.cli.showing import counted, show_json, show_table
from app.kafka import ReadError
from app.rules_topic import Written
from schemas.rules import RuleVersion
from tables.rulebook import LEAD_MS, Version
from tables.rules import Rule, RulesError, written

T = TypeVar("T")
LEAD = timedelta(milliseconds=LEAD_MS)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class Known(msgspec.Struct, frozen=True):
    """The base rules, by name, and what is on the topic."""

    base: dict[str, Rule]
    topic: Written

    def held(self, at: datetime) -> dict[str, Version]:
        """Return the version of each rule that is for events at that instant; none is version 0."""
        held: dict[str, Version] = {}
        for each in sorted(self.topic.versions, key=lambda each: each.rank):
            if each.effective_from <= at:
                held[each.name] = each
        return held

    def rules(self, at: datetime) -> dict[str, dict[str, Any]]:
        """Return the keys of each rule that is for events at that instant."""
        versions = self.held(at)
        rules = {name: rule for name, rule in self.base.items() if name not in versions}
        rules |= {name: each.rule for name, each in versions.items() if each.rule is not None}
        return {name: written(rule) for name, rule in sorted(rules.items())}

    def planned(self, after: datetime) -> dict[str, Version]:
        """Return the next version of each rule that begins later."""
        later = [each for each in self.topic.versions if each.effective_from > after]
        return {each.name: each for each in sorted(later, key=lambda each: each.rank, reverse=True)}

    def states(self, now: datetime) -> dict[tuple[str, int], str]:
        """Return what each version is for an event that happens and is recorded ``now``."""
        now_ms = now.timestamp() * 1_000
        states: dict[tuple[str, int], str] = {}
        begun: dict[str, Version] = {}
        for each in sorted(self.topic.versions, key=lambda each: each.rank):
            states[each.name, each.version] = "waits"
            if each.effective_from <= now and each.appended_ms + LEAD_MS <= now_ms:
                if each.name in begun:
                    states[each.name, begun[each.name].version] = "replaced"
                begun[each.name] = each
                states[each.name, each.version] = "holds" if each.rule else "ended"
        return states

    def following(
        self, name: str, rule: dict[str, Any] | None, since: datetime, author: str
    ) -> RuleVersion:
        """Return the version of ``name`` after the highest that was written."""
        written = (each.version for each in self.topic.records if each.name == name)
        return RuleVersion(
            name=name,
            version=max(written, default=0) + 1,
            effective_from=since,
            author=author,
            rule=rule,
        )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "unknown"


@click.group(name="rules")
def rules() -> None:
    """What is watched, for how long, how often it is told; every version of it."""


@rules.command(name="list")
@AS_JSON
def list_(as_json: bool) -> None:
    """List the rules for what happens now; version 0 is the base: CHANGEOVER_RULES, or built in.

    next: the version that follows, and from when.
    """
    known, now = _known(), datetime.now(UTC)
    held, planned = known.held(now), known.planned(now)
    authors = {(each.name, each.version): each.author for each in known.topic.records}
    rows = [
        {
            "name": name,
            "version": held[name].version if name in held else 0,
            "from": _since(held.get(name)),
            "author": authors[name, held[name].version] if name in held else "",
            "stream": rule["stream"],
            "severity": rule["severity"],
            "for": rule["for"],
            "reset": rule["reset"],
            "next": _named(planned.get(name)),
        }
        for name, rule in known.rules(now).items()
    ]
    _show(rows, as_json)
    for name in sorted(planned.keys() - {row["name"] for row in rows}):
        click.echo(f"{name} begins: {_named(planned[name])}", err=True)


@rules.command()
@click.argument("name")
@click.option("--version", type=int, help="Another than that of now; 0 is the base.")
def show(name: str, version: int | None) -> None:
    """Print every key of the rule NAME, as JSON."""
    known = _known()
    if version is None:
        found = known.rules(datetime.now(UTC)).get(name)
    elif version == 0:
        found = written(known.base[name]) if name in known.base else None
    else:
        rules = {(each.name, each.version): each.rule for each in known.topic.versions}
        rule = rules.get((name, version))
        found = None if rule is None else written(rule)
    if found is None:
        what = f"no rule {name}" if version is None else f"no version {version} of {name}"
        raise click.ClickException(f"{what}: see `changeover rules list` and `history`")
    show_json(found)


@rules.command()
@click.argument("name", required=False)
@AS_JSON
def history(name: str | None, as_json: bool) -> None:
    """List every version that was written, of the rule NAME or of all.

    state: waits for its instant, or for a minute to pass; holds; ended its rule; or was replaced.
    """
    known = _known()
    states = known.states(datetime.now(UTC))
    rows = [
        {
            "name": each.name,
            "version": each.version,
            "from": _since(each),
            "author": each.author,
            "state": states[each.name, each.version],
        }
        for each in known.topic.records
        if name in (None, each.name)
    ]
    if not rows and name is not None and name not in known.base:
        raise click.ClickException(f"no rule {name}: see `changeover rules list`")
    if not rows:
        click.echo("no version was written: version 0 of each rule holds", err=True)
    _show(rows, as_json)


@rules.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
def check(file: str) -> None:
    """Check the rules in FILE; needs no Kafka. Exit code 1 and a sentence where one is wrong.

    \b
    changeover rules check rules.toml
    """
    try:
        found = rules_file.load(file)
    except RulesError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{file}: {counted(len(found), 'rule')}, no mistake")


@rules.command(name="apply")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--effective-from", type=INSTANT, help="Default: in a minute.")
@click.option("--prune", is_flag=True, help="End the rules that FILE does not name.")
@click.option("--author", default=_user, help="Who changes them. Default: you.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
def apply_(
    file: str, effective_from: datetime | None, prune: bool, author: str, dry_run: bool
) -> None:
    """Write a new version of each rule in FILE that differs from what is for that instant.

    A bad file is refused whole. A version decides on events that happen at or after its instant
    and are recorded at least a minute after it was written; all others stay with the one before.

    \b
    changeover rules apply rules.toml --effective-from 2026-01-01T00:00:00Z
    """
    read = surroundings()
    try:
        wanted = {rule.name: written(rule) for rule in rules_file.load(file)}
    except RulesError as error:
        raise click.ClickException(str(error)) from None
    known, soonest = _known(), datetime.now(UTC).replace(microsecond=0) + LEAD
    since = effective_from or soonest
    held = known.rules(since)
    gone = dict.fromkeys(held.keys() - wanted.keys()) if prune else {}
    changes = {name: rule for name, rule in wanted.items() if held.get(name) != rule} | gone
    made = [known.following(name, rule, since, author) for name, rule in sorted(changes.items())]
    planned = known.planned(since)
    for each in made:
        what = "ends" if each.rule is None else "changes" if each.name in held else "begins"
        click.echo(f"{each.name} {what} with version {each.version} from {_since(each)}")
        if each.name in planned:
            click.echo(f"  until another is due: {_named(planned[each.name])}")
    if made and since < soonest:
        click.echo("for what is recorded a minute from now, or later")
    if not made:
        click.echo("nothing changes")
    elif dry_run:
        click.echo("nothing was written: --dry-run")
    else:
        _run(lambda: rules_topic.write(read.servers, made))


def _named(version: Version | None) -> str:
    if version is None:
        return ""
    ends = " (it ends)" if version.rule is None else ""
    return f"version {version.version} from {_since(version)}{ends}"


def _since(version: RuleVersion | Version | None) -> str:
    return "" if version is None else f"{version.effective_from.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _show(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        show_json(rows)
    elif rows:
        show_table(tuple(rows[0]), [tuple(row.values()) for row in rows])


def _known() -> Known:
    read = surroundings()
    try:
        base = rules_file.load(read.rules)
    except RulesError as error:
        raise click.ClickException(str(error)) from None
    found = _run(lambda: rules_topic.written(read.servers))
    return Known({rule.name: rule for rule in base}, found)


def _run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    try:
        return asyncio.run(work())
    except (ReadError, RulesError) as error:
        raise click.ClickException(str(error)) from None
