"""``changeover topics``: what lies on the topics, decoded."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from app import kafka, settings
from app.broker.errors import BrokerError
from app.broker.topics import describe
from app.cli.instants import INSTANT
from app.cli.showing import show_json, show_table
from app.masking import masked
from schemas import codec
from schemas import topics as names
from schemas.delivery import Message
from tables.wording import printable

SHOWN = 110
KNOWN = [topic.name for topic in names.TOPICS if not topic.compacted or topic.name == names.RULES]


@click.group(name="topics")
def topics() -> None:
    """List and read topics."""


@topics.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List our topics: partitions, records, how they are kept."""
    try:
        found = asyncio.run(describe(settings.read().servers))
    except (BrokerError, settings.SettingsError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        show_json([msgspec.structs.asdict(each) for each in found])
    else:
        rows = [(each.name, each.partitions, each.records, each.kept) for each in found]
        show_table(("topic", "partitions", "records", "kept"), rows)


@topics.command()
@click.argument("topic", type=click.Choice(KNOWN), metavar="TOPIC")
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--last", "-n", type=click.IntRange(0), help="Only the last N.  [default: 10]")
@click.option("--all", "-a", "everything", is_flag=True, help="From the beginning.")
@click.option("--device", help="Only records of this device.")
@click.option("--type", "kind", help="Only records of this type, as `transition`.")
@click.option("--since", type=INSTANT, help="Only what was appended at or after this instant.")
@click.option("--reveal", is_flag=True, help="Show addresses whole.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON a line.")
def tail(topic: str, follow: bool, last: int | None, everything: bool, **wanted: Any) -> None:
    """Print records of TOPIC, decoded, oldest first.

    \b
    changeover topics tail notifications --device ikeja-0042
    changeover topics tail transitions --all --json | jq .value
    """
    keep = None if everything or wanted["since"] else 10 if last is None else last
    try:
        asyncio.run(_tail(settings.read().servers, topic, keep, follow, wanted))
    except (kafka.ReadError, settings.SettingsError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        return


async def _tail(
    servers: str, topic: str, keep: int | None, follow: bool, wanted: dict[str, Any]
) -> None:
    ends = await kafka.end_offsets(servers, [topic])
    narrowed = any(wanted[each] for each in ("device", "kind", "since"))
    # The last N of all are among the last N of each partition.
    start = {} if keep is None or narrowed else {each: ends[each] - keep for each in ends}
    found = _matching(kafka.read(servers, [topic], start=start, until=ends), wanted)
    # Append time orders the partitions; within one it never goes back.
    shown = sorted(
        [record async for record in found],
        key=lambda each: (each.timestamp, each.partition, each.offset),
    )
    for record in shown if keep is None else shown[max(0, len(shown) - keep) :]:
        _show(record, wanted)
    if follow:
        comes = kafka.read(servers, [topic], start=ends, follow=True)
        async for record in _matching(comes, wanted):
            _show(record, wanted)


async def _matching(records: AsyncIterator[Any], wanted: dict[str, Any]) -> AsyncIterator[Any]:
    async for record in records:
        value = codec.decode(codec.any_record, record.value)
        tag = value.__struct_config__.tag
        of_device = getattr(value, "device", (record.key or b"").decode(errors="replace"))
        if wanted["device"] not in (None, of_device) or wanted["kind"] not in (None, tag):
            continue
        if wanted["since"] is None or _appended(record) >= wanted["since"]:
            yield record


def _appended(record: Any) -> datetime:
    return datetime.fromtimestamp(record.timestamp / 1_000, UTC)


def _show(record: Any, wanted: dict[str, Any]) -> None:
    value = codec.decode(codec.any_record, record.value)
    if isinstance(value, Message) and not wanted["reveal"]:
        value = msgspec.structs.replace(value, address=masked(value.channel, value.address))
    appended = f"{_appended(record):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    key = (record.key or b"").decode(errors="replace")
    headers = {name: held.decode(errors="replace") for name, held in record.headers}
    if wanted["as_json"]:
        fields = {"partition": record.partition, "offset": record.offset, "appended": appended}
        whole = {"topic": record.topic, **fields, "key": key, "headers": headers, "value": value}
        click.echo(msgspec.json.encode(whole))
        return
    place = f"{record.partition}:{record.offset}"
    click.echo(f"{appended}  {place:>9}  {printable(key):16}  {printable(_told(value))}")


def _told(value: Any) -> str:
    if isinstance(value, codec.Unreadable):
        return f"unreadable: {value.reason}: {value.payload[:SHOWN]!r}"
    fields = msgspec.to_builtins(value)
    left_out = {"type", "v", "device", "epoch", "run", "core", "extra"}
    pairs = (f"{key}={str(held)[:SHOWN]}" for key, held in fields.items() if key not in left_out)
    return f"{value.__struct_config__.tag}  " + " ".join(pairs)
