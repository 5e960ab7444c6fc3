"""``changeover tables``: what the workers keep of each device, and whether it is right."""

import asyncio
import sys

import click
import msgspec

from app import rebuild, rules_file, settings
from app.cli.showing import show_json
from app.kafka import ReadError
from tables.rules import RulesError


@click.group(name="tables")
def tables() -> None:
    """What the workers keep of each device: look at it, rebuild it, compare."""


@tables.command()
@click.argument("device")
def show(device: str) -> None:
    """Print what is kept of DEVICE, as JSON: one state a table.

    \b
    changeover tables show ikeja-0042
    """
    found = asyncio.run(_stored(settings.read().servers))
    states = {
        rebuild.TABLES[source]: {"offset": each.offset, **rebuild.shown(source, each.state)}
        for (source, key), each in found.items()
        if key == device.encode()
    }
    if not states:
        raise click.ClickException(f"nothing is kept of {device}: see `changeover devices list`")
    show_json(states)


@tables.command()
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def verify(as_json: bool) -> None:
    """Rebuild every state from the input topics and compare it with the table.

    Exit code 1 and both sides where they differ. Workers may go on meanwhile.
    """
    try:
        read = settings.read()
        base = rules_file.load(read.rules)
    except (settings.SettingsError, RulesError) as error:
        raise click.UsageError(str(error)) from None
    hidden = not sys.stderr.isatty()
    try:
        with click.progressbar(length=1, file=sys.stderr, hidden=hidden) as bar:

            def progress(done: int, total: int) -> None:
                bar.length = max(total, 1)
                bar.update(done - bar.pos)

            report = asyncio.run(rebuild.verify(read.servers, base, progress))
    except ReadError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        for each in report.differences:
            click.echo(f"{each.table} {each.device}")
            click.echo(f"  stored:  {msgspec.json.encode(each.stored).decode()}")
            click.echo(f"  rebuilt: {msgspec.json.encode(each.rebuilt).decode()}")
        click.echo(
            f"{report.states} states, rebuilt from {report.events} events, "
            f"{len(report.differences)} differences"
        )
    sys.exit(1 if report.differences else 0)


async def _stored(servers: str) -> dict[rebuild.Place, rebuild.Stored]:
    try:
        return await rebuild.stored(servers)
    except ReadError as error:
        raise click.ClickException(str(error)) from None
