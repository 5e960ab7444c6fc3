"""``changeover silences``: nothing is told for a while, of a device, a group, or at all."""

import getpass
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import click
import msgspec

from app.cli import rulebooks
from app.cli.exchange import add_exchange
from app.cli.instants import INSTANT
from app.cli.opening import directory, remove_entry
from app.cli.showing import show_json, show_table
from app.directory import DirectoryError, Silence
from schemas.duration import Duration


@click.group(name="silences")
def silences() -> None:
    """Nothing is told for a while, of a device, a group, or at all."""


@silences.command()
@click.option("--device", default="", help="Of this device.")
@click.option("--group", default="", help="Of the devices of this group.")
@click.option("--all", "everything", is_flag=True, help="Of every device.")
@click.option("--rule", default="", help="Only of this rule.")
@click.option("--for", "lasting", help="For how long, as 2h.")
@click.option("--until", type=INSTANT, help="Until when.")
@click.option("--reason", default="", help="Why; people read it.")
@click.option("--by", default=getpass.getuser, help="Who says so; by default your login name.")
def add(
    device: str,
    group: str,
    everything: bool,
    rule: str,
    lasting: str | None,
    until: datetime | None,
    reason: str,
    by: str,
) -> None:
    """Hold back what would be told, until the silence ends.

    \b
    changeover silences add --device ikeja-0042 --for 2h --reason "the meter is replaced"
    """
    if bool(device) + bool(group) + everything != 1:
        raise click.UsageError("name one of --device, --group and --all")
    if (lasting is None) == (until is None):
        raise click.UsageError("name one of --for and --until")
    entry = Silence(
        silence=secrets.token_hex(4),
        device=device,
        group=group,
        all=everything,
        rule=rule,
        until=until or datetime.now(UTC) + _span(lasting or ""),
        author=by,
        reason=reason,
    )
    (doubt,) = _doubts([entry])
    if doubt:
        raise click.ClickException(doubt)
    with directory() as opened:
        opened.put(entry, author=by)
    click.echo(f"silence {entry.silence} until {entry.until:%Y-%m-%dT%H:%M:%SZ}")


@silences.command(name="list")
@click.option("--all", "everything", is_flag=True, help="Also those that are over.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(everything: bool, as_json: bool) -> None:
    """List the silences that last."""
    now = datetime.now(UTC)
    with directory() as opened:
        every = [each for each in opened.all(Silence) if everything or not each.over(now)]
    if as_json:
        show_json([msgspec.to_builtins(each) for each in every])
        return
    rows = [
        (
            each.silence,
            each.device or (f"group {each.group}" if each.group else "everything"),
            each.rule or "every rule",
            f"{each.until:%Y-%m-%dT%H:%M:%SZ}",
            each.author,
            each.reason,
        )
        for each in every
    ]
    show_table(("silence", "of", "rule", "until", "by", "reason"), rows)


@silences.command()
@click.argument("silence")
def remove(silence: str) -> None:
    """End SILENCE, by its id or how that begins.

    What it has held back leaves within seconds, unless another covers it.
    """
    with directory() as opened:
        found = [each.silence for each in opened.all(Silence) if each.silence.startswith(silence)]
        if silence not in found and len(found) > 1:
            raise DirectoryError(f"silence {silence}: {len(found)} begin so; give more of it")
    remove_entry(Silence, silence if silence in found or not found else found[0])


def _span(text: str) -> timedelta:
    try:
        return Duration.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--for") from None


def _doubts(entries: Sequence[Silence]) -> list[str]:
    """Return for each of ``entries`` why it would silence nothing, or nothing."""
    known = rulebooks.names() if any(each.rule for each in entries) else set()
    return [_doubt(each, known) for each in entries]


def _doubt(entry: Silence, known: set[str]) -> str:
    if entry.over(datetime.now(UTC)):
        return f"until {entry.until:%Y-%m-%dT%H:%M:%SZ}: that is past"
    return rulebooks.missing(entry.rule, known) if entry.rule else ""


add_exchange(silences, Silence, _doubts)
