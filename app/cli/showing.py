"""How commands show what they found: a table for people, JSON for programs."""

import sys
from collections.abc import Sequence
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from schemas.delivery import Channel


def show_json(value: Any) -> None:
    """Print ``value`` as indented JSON."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def show_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print ``rows``: a table on a terminal, elsewhere columns between tabs."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(map(str, row)))
        return
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(str, row))
    Console().print(table)


def masked(channel: Channel, address: str) -> str:
    """Return ``address`` with only as much left as its owner needs to know it again."""
    if channel is Channel.EMAIL:
        name, _, host = address.partition("@")
        return f"{name[:1]}…@{host}"
    return f"{address[:3]}…{address[-2:]}"
