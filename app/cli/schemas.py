"""``changeover schemas``: the JSON Schema of every record that crosses a boundary."""

from typing import Any

import click
import msgspec

from schemas.codec import RECORDS


def json_schemas() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of every record, by its type tag."""
    return {str(record.__struct_config__.tag): msgspec.json.schema(record) for record in RECORDS}


@click.command(name="schemas")
@click.argument("record", required=False)
def schemas(record: str | None) -> None:
    """Print the JSON Schema of RECORD, or of every record by its type.

    \b
    changeover schemas transition
    """
    known = json_schemas()
    if record is not None and record not in known:
        raise click.UsageError(f"there is no record {record!r}; there are {', '.join(known)}")
    shown = known if record is None else known[record]
    click.echo(msgspec.json.format(msgspec.json.encode(shown)))
