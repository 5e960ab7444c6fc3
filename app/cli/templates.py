"""``changeover templates``: what messages say."""

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from app import rules_file, settings
from app.cli.showing import counted, show_json, show_table
from app.directory import DirectoryError
from app.directory.entries import check_zone
from app.texts import Texts, TextsError, ignored
from schemas import gsm
from schemas.decision import Decision, Fact, Kind
from schemas.delivery import Channel
from tables.rules import Rule, RulesError

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
# What a decision may name, as a house might have it.
CAUSE: dict[str, Fact] = {
    "source": "inverter",
    "due": ("generator",),
    "in_window": False,
    "power_w": 3_412.0,
    "drained_wh": 2_012.0,
    "battery_v": 47.9,
    "soc_pct": 17.0,
    "silent": True,
    "heard": "2026-01-15T11:44:07Z",
    "missing": 3.0,
    "lost_on": "transitions",
}
TOLD = (Kind.FIRED, Kind.REPEATED, Kind.RESOLVED)


@click.group(name="templates")
def templates() -> None:
    """What messages say, by rule, channel and language."""


@templates.command()
@click.option("--language", help="Only this one, as en or fr.")
@click.option(
    "--zone",
    default="Africa/Lagos",
    show_default=True,
    callback=lambda *given: _zone(given[-1]),
    help="Of the times named.",
)
@click.option("--device", default="ikeja-0042", show_default=True, help="The device named.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every text whole.")
def check(language: str | None, zone: str, device: str, as_json: bool) -> None:
    """Show every message for sample events; how many parts each text message has.

    \b
    CHANGEOVER_TEMPLATES=my-templates changeover templates check --language fr
    """
    try:
        read = settings.read()
        rules = rules_file.load(read.rules)
        if read.templates_dir:
            for sentence in ignored(read.templates_dir, {rule.name for rule in rules}):
                click.echo(sentence, err=True)
        texts = Texts(read.templates_dir)
        rows = [
            _row(texts, _sample(rule, kind, device), rule, channel, each, zone)
            for each in _languages(texts, language)
            for rule in rules
            for kind in TOLD
            for channel in Channel
        ]
    except (settings.SettingsError, RulesError, TextsError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        show_json(rows)
    else:
        _show(rows)
    if any(row["cut"] for row in rows):
        sys.exit(1)


def _zone(name: str) -> str:
    try:
        check_zone(name)
    except DirectoryError as error:
        raise click.BadParameter(str(error)) from None
    return name


def _languages(texts: Texts, only: str | None) -> tuple[str, ...]:
    if only is None:
        return texts.languages
    if only not in texts.languages:
        known = ", ".join(texts.languages)
        raise TextsError(f"there are no templates in {only!r}; there are: {known}")
    return (only,)


def _sample(rule: Rule, kind: Kind, device: str) -> Decision:
    since: timedelta = rule.for_ if kind is Kind.FIRED else timedelta(hours=1, minutes=12)
    return Decision(
        core=1,
        id="0" * 32,
        device=device,
        rule=rule.name,
        kind=kind,
        at=NOON,
        episode=NOON - since,
        suppressed=2 if kind is Kind.FIRED else 0,
        severity=rule.severity,
        stream=rule.stream,
        cause=CAUSE,
    )


def _row(
    texts: Texts, decision: Decision, rule: Rule, channel: Channel, language: str, zone: str
) -> dict[str, Any]:
    said = texts.of(decision, channel, language, zone, clear_for=rule.clear_for)
    size = gsm.size(said.text) if channel is Channel.SMS else None
    return {
        "language": language,
        "rule": decision.rule,
        "kind": str(decision.kind),
        "channel": str(channel),
        "subject": said.subject,
        "text": said.text,
        "alphabet": size and size.alphabet,
        "parts": size and size.parts,
        "cut": channel is Channel.SMS and said.text.endswith(gsm.CUT),
    }


def _show(rows: list[dict[str, Any]]) -> None:
    columns = ("language", "rule", "kind", "channel", "parts", "alphabet", "text")
    show_table(columns, [[row[each] or "" for each in columns] for row in rows])
    texts = [row for row in rows if row["parts"]]
    single = sum(row["parts"] == 1 for row in texts)
    cut = sum(row["cut"] for row in texts)
    click.echo(
        f"{counted(len(rows), 'message')}; of {counted(len(texts), 'text message')} {single} fit "
        f"one part, {cut} were cut",
        err=True,
    )
