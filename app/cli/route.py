"""``changeover route``: who would be told, by what, and why or why not."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import click

from app.cli.finding import Found
from app.cli.opening import directory
from app.cli.reporting import configured
from app.cli.rulebooks import missing, versions
from app.cli.showing import show_json, show_table
from app.directory import Snapshot
from app.directory.snapshot import Considered
from app.kafka import ReadError
from app.masking import masked, masked_in
from schemas.decision import Decision, Severity
from schemas.delivery import Silenced
from schemas.record import instant
from tables import limits, routing
from tables.routing import Role
from tables.rulebook import Rulebook
from tables.rules import Rule

COLUMNS = ("person", "role", "channel", "address", "told", "why")


@click.command(name="route")
@click.argument("notification", required=False)
@click.option("--device", help="Instead of a notification: of this device …")
@click.option("--rule", help="… what this rule says.")
@click.option("--reveal", is_flag=True, help="Show addresses whole.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def route(
    notification: str | None, device: str | None, rule: str | None, reveal: bool, as_json: bool
) -> None:
    """Show who would be told now of NOTIFICATION, by its id or how that begins.

    \b
    changeover route 3f9c21d0
    changeover route --device ikeja-0042 --rule grid_lost

    Exit code 1: nobody would be told at once; a silence or quiet hours hold it back, or nobody is
    reached.
    """
    if bool(notification) == bool(device) or bool(device) != bool(rule):
        raise click.UsageError("name a notification, or --device and --rule")
    read, base = configured()
    decision = asyncio.run(_decision(read.servers, notification)) if notification else None
    on = decision.device if decision else device or ""
    found = _rule(read.servers, base, on, decision.rule if decision else rule or "")
    with directory() as opened:
        snapshot = opened.snapshot()
    severity = decision.severity if decision else found.severity
    considered = snapshot.consider(on, severity, found.channels)
    now = datetime.now(UTC)
    silenced = snapshot.silenced(on, found.name, now)
    told = _told(considered, asked=found.escalate_after is not None)
    if silenced is not None:
        told = {each: _late(when, "when the silence ends") for each, when in told.items()}
    quiet = {} if severity is Severity.CRITICAL else _quiet(snapshot, considered, now)
    told |= {each: _late(told[each], "after quiet hours") for each in quiet}
    rows = [_row(each, told[each], quiet.get(each, ""), reveal=reveal) for each in considered]
    silence = _silence(silenced)
    if as_json:
        people = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        what = {"device": on, "rule": found.name, "severity": severity}
        show_json({**what, "silence": silence, "people": people})
    else:
        _show(snapshot, on, f"{found.name}, {severity}", silence, rows)
    if "at once" not in told.values():
        raise click.exceptions.Exit(1)


def _silence(silenced: Silenced | None) -> str:
    if silenced is None:
        return ""
    return f"silenced by {silenced.author} until {silenced.until:%Y-%m-%dT%H:%M:%SZ}"


def _show(
    snapshot: Snapshot, device: str, what: str, silence: str, rows: list[tuple[Any, ...]]
) -> None:
    click.echo(f"{device}: {what}")
    if silence:
        click.echo(silence)
    if device not in snapshot.holders and device not in snapshot.groups:
        click.echo(f"nobody has to do with {device}: changeover devices add, or grant")
    show_table(COLUMNS, rows)


def _told(considered: tuple[Considered, ...], *, asked: bool) -> dict[Considered, str]:
    """Return when each is told. asked: whether the rule waits for an answer (escalate_after)."""
    at_once = routing.first(each.reach for each in considered if not each.why_not)

    def of(each: Considered) -> str:
        if each.why_not:
            return "no"
        if each.reach.to in at_once:
            return "at once"
        if not asked:  # nobody is waited for: only what cannot be delivered goes further
            return "if the others fail"
        return "if nobody answers" if each.reach.role is Role.OPERATOR else "if unanswered"

    return {each: of(each) for each in considered}


def _late(told: str, when: str) -> str:
    """Return when it is told that would be ``told``, if it is held back until ``when``."""
    return when if told == "at once" else told


def _quiet(
    snapshot: Snapshot, considered: tuple[Considered, ...], now: datetime
) -> dict[Considered, str]:
    """Return until when each is not disturbed who has quiet hours now."""
    found = {}
    for each in considered:
        hours = snapshot.people[each.reach.to.person].quiet
        until_ms = hours and limits.quiet_until_ms(hours, round(now.timestamp() * 1_000))
        if until_ms and not each.why_not:
            found[each] = f"quiet until {instant(until_ms):%Y-%m-%dT%H:%M:%SZ}"
    return found


def _row(considered: Considered, told: str, quiet: str, *, reveal: bool) -> tuple[Any, ...]:
    to, reach = considered.reach.to, considered.reach
    why = considered.why_not or f"{reach.role}, {reach.when} by this channel"
    why += f"; {quiet}" if quiet else ""
    address = to.address
    if not reveal:
        why, address = masked_in(why, to.channel, address), masked(to.channel, address)
    return to.person, reach.role.value, to.channel.value, address, told, why


async def _decision(servers: str, notification: str) -> Decision:
    try:
        return (await Found(notification).read(servers)).one()
    except ReadError as error:
        raise click.ClickException(str(error)) from None


def _rule(servers: str, base: tuple[Rule, ...], device: str, name: str) -> Rule:
    """Return the rule ``name`` as it is in force for ``device`` now."""
    now = datetime.now(UTC)
    applied = versions(servers)
    for stream in sorted({each.stream for each in base}):
        book = Rulebook(stream, base, applied).at((now, round(now.timestamp() * 1_000)))
        if name in (rules := book.of(device, b"").rules):
            return rules[name]
    known = {each.name for each in base} | {each.name for each in applied} - {name}
    raise click.ClickException(missing(name, known))
