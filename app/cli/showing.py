"""How commands show what they found: a table for people, JSON for programs."""

import sys
from collections.abc import Sequence
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table


def show_json(value: Any) -> None:
    """Print ``value`` as indented JSON."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def counted(number: int, name: str) -> str:
    """Return how many of ``name`` there are: 1 rule, 2 rules."""
    return f"{number} {name}{'' if number == 1 else 's'}"


def show_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print ``rows`` below their ``columns``: a table on a terminal, elsewhere between tabs."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            click.echo("\t".join(map(str, row)))
        return
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(str, row))
    Console().print(table)
