"""``changeover tables``: what the workers keep, and whether it is right."""

import asyncio
import sys

import click
import msgspec

from app import rebuild
from app.cli.reporting import configured, hint, surroundings, told
from app.cli.showing import counted, show_json
from app.kafka import ReadError


@click.group(name="tables")
def tables() -> None:
    """What the workers keep: look at it, rebuild it, compare."""


@tables.command()
@click.argument("key", metavar="DEVICE|PERSON")
def show(key: str) -> None:
    """Print what is kept of a device, or of who is told, as JSON: one state a table.

    offset is the last record it holds, at its time. Of an alert: since its episode began, clearing
    since the condition is gone, rearm_at until when nobody is told again, suppressed episodes since
    somebody was, counts of decisions for the newest episode, which began at last.

    \b
    changeover tables show ikeja-0042
    """
    try:
        found = asyncio.run(rebuild.stored(surroundings().servers))
    except ReadError as error:
        raise click.ClickException(str(error)) from None
    states = {
        rebuild.TABLES[source].name: {"offset": each.offset, **rebuild.shown(source, each.state)}
        for (source, of), each in found.items()
        if of == key.encode()
    }
    if not states:
        raise click.ClickException(f"nothing is kept of {key}: it is in no record so far")
    show_json(states)


@tables.command()
@click.option("--rules", type=click.Path(), help="The rules file that was in force.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def verify(rules: str | None, as_json: bool) -> None:
    """Rebuild every state from the input topics and compare it with the table.

    States of devices come from what they recorded, outboxes from ``deliveries``.

    Exit code 1 and both sides where they differ, 2 where it could not be done. Workers may go on
    meanwhile.
    """
    read, base = configured(rules)
    with told() as progress:
        report = asyncio.run(rebuild.verify(read.servers, base, progress))
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        for each in report.differences:
            click.echo(f"{each.table} {each.key}")
            click.echo(f"  stored:  {msgspec.json.encode(each.stored).decode()}")
            click.echo(f"  rebuilt: {msgspec.json.encode(each.rebuilt).decode()}")
        click.echo(
            f"{report.states} states, rebuilt from {report.events} events, "
            f"{counted(len(report.differences), 'difference')}"
        )
        hint(rules, read.rules, report.differences)
    sys.exit(1 if report.differences else 0)
