"""``changeover edge``: the device's program."""

import asyncio
import sys
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

import click
import msgspec

from app.cli.edge_tools import check, config_option, status, test_sms
from app.cli.instants import INSTANT
from edge.config import ConfigError, load
from edge.service import PATIENCE_S, Once, Progress, Summary, run
from edge.spool import SpoolError
from schemas.duration import Duration

SHOW_EVERY_S = 0.2


@click.group(name="edge", invoke_without_command=True)
@config_option
@click.option("--once", is_flag=True, help="Read the logs to their ends, ship everything, end.")
@click.option("--until", type=INSTANT, help="With --once: let time run on to this instant.")
@click.option(
    "--patience",
    default=str(Duration(seconds=PATIENCE_S)),
    show_default=True,
    help="With --once: give up when the broker took nothing for so long.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def edge(
    context: click.Context,
    file: Path,
    once: bool,
    until: datetime | None,
    patience: str,
    as_json: bool,
) -> None:
    """Follow a device's four logs and ship them to Kafka, until stopped.

    What cannot be shipped waits in the spool, a file beside the configuration, and goes out when
    the broker is back, also after a restart. What the servers do not take in time of the rules that
    the configuration lists, the device texts itself.

    \b
    changeover edge --config /etc/changeover/notifications.config
    changeover edge --once --until 2026-01-01T00:00:00Z

    Exit code 1: something could not be shipped and waits in the spool, or the spool cannot be used.
    2: the command or the configuration is wrong.
    """
    if context.invoked_subcommand is not None:
        _refuse_before(context, context.invoked_subcommand)
        return
    if until is not None and not once:
        raise click.UsageError("--until goes with --once")
    try:
        summary = _run(file, Once(until) if once else None, _patience(patience))
    except ConfigError as error:
        raise click.UsageError(str(error)) from None
    except SpoolError as error:
        raise click.ClickException(str(error)) from None
    if once or as_json:
        click.echo(msgspec.json.encode(summary) if as_json else _sentence(summary))
    if not summary.complete:
        raise click.ClickException(_left(summary))


for tool in (status, check, test_sms):
    edge.add_command(tool)


def _refuse_before(context: click.Context, command: str) -> None:
    """Return if no option stands before the ``command``, which would not see it."""
    for name in context.params:
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            option = next(each.opts[0] for each in context.command.params if each.name == name)
            raise click.UsageError(f"{option} goes behind it: changeover edge {command} {option}")


def _run(file: Path, once: Once | None, patience: timedelta) -> Summary:
    config = load(file)
    progress = _progress() if sys.stderr.isatty() else None
    try:
        return asyncio.run(
            run(config, once, progress=progress, patience_s=patience.total_seconds())
        )
    finally:
        if progress is not None:
            click.echo("\r\033[K", nl=False, err=True)


def _patience(text: str) -> timedelta:
    try:
        return Duration.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--patience") from None


def _progress() -> Progress:
    shown_s = monotonic()

    def show(what: str, done: int, total: int) -> None:
        nonlocal shown_s
        if monotonic() - shown_s >= SHOW_EVERY_S and total:
            shown_s = monotonic()
            click.echo(f"\r{what} {done / total:4.0%} ", nl=False, err=True)

    return show


def _sentence(summary: Summary) -> str:
    spooled = ", ".join(f"{count:,} {topic}" for topic, count in summary.spooled.items())
    closed = f"; closed at {summary.closed_at.isoformat()}" if summary.closed_at else ""
    unfinished = "".join(
        f"; {log} ends in {size} bytes of an unfinished line, left for the next time"
        for log, size in summary.unfinished.items()
    )
    return (
        f"{summary.device}: {summary.lines:,} lines read ({summary.malformed:,} malformed), "
        f"spooled {spooled or 'nothing'}, {summary.shipped:,} shipped in {summary.seconds:.1f} s"
        f"{closed}{unfinished}"
    )


def _left(summary: Summary) -> str:
    reason = f" ({summary.trouble})" if summary.trouble else ""
    return f"{summary.waiting:,} records wait in the spool{reason}; run it again to go on"
