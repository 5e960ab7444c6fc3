"""``changeover audit``: decide again on everything recorded, and compare."""

import asyncio
import sys

import click
import msgspec

from app.audit import Audit, BehindError, Report
from app.cli.reporting import UnableError, configured, hint, told
from app.cli.showing import counted


@click.command(name="audit")
@click.option("--rules", type=click.Path(), help="The rules file that was in force.")
@click.option("--wait", default=30.0, show_default=True, help="Seconds to wait for the workers.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def audit(rules: str | None, wait: float, as_json: bool) -> None:
    """Decide again on every recorded event and compare with the recorded decisions.

    They must be the same, byte for byte: exit code 1 and both sides where they are not, 2 where it
    could not be done.

    \b
    changeover audit --rules rules.toml
    """
    read, in_force = configured(rules)
    try:
        with told() as progress:
            report = asyncio.run(Audit(read.servers, in_force).run(wait, progress))
    except BehindError as error:
        raise UnableError(str(error)) from None
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        _tell(report)
        hint(rules, read.rules, report.differences)
    sys.exit(1 if report.differences else 0)


def _tell(report: Report) -> None:
    for each in report.differences:
        click.echo(f"{each.device} {each.rule} {each.id}")
        click.echo(f"  recorded: {each.recorded or 'nothing'}")
        click.echo(f"  expected: {each.expected or 'nothing'}")
    click.echo(
        f"{report.events} events ({report.duplicates} duplicates, {report.missing} missing, "
        f"{report.late} late, {report.rollbacks} rollbacks, {report.behind} decided before, "
        f"{report.unreadable} unreadable), {report.decisions} decisions ({report.copies} copies), "
        f"{counted(len(report.differences), 'difference')}"
    )
