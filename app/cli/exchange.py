"""``export`` and ``import`` of each kind of entry, as CSV and JSON."""

import csv
import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from app.cli.opening import directory
from app.cli.showing import counted
from app.directory import DirectoryError, Entry

FORMATS = ("csv", "json")
FILE = click.Path(dir_okay=False, path_type=Path)
Placed = tuple[int, Entry]  # an entry, and the line it begins on


def add_exchange(group: click.Group, kind: type[Entry]) -> None:
    """Give ``group`` the commands ``export`` and ``import`` of entries of ``kind``."""

    @group.command(
        name="export", help=f"Write every {kind.what} to FILE, or as JSON to the screen."
    )
    @click.argument("file", type=FILE, required=False)
    @click.option("--csv", "as_csv", is_flag=True, help="Without FILE: print CSV.")
    def export(file: Path | None, as_csv: bool) -> None:
        with directory() as opened:
            entries = opened.all(kind)
        form = _form(file) if file else ("csv" if as_csv else "json")
        text = _csv(kind, entries) if form == "csv" else _json(entries)
        if file is None:
            click.echo(text, nl=False)
            return
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # it names people
        with open(descriptor, "w", encoding="utf-8", newline="") as out:  # noqa: PTH123 - opened above
            out.write(text)
        click.echo(f"{file}: {counted(len(entries), kind.what)}")

    @group.command(name="import", help=f"Add or replace each {kind.what} that FILE names.")
    @click.argument("file", type=FILE)
    @click.option("--dry-run", is_flag=True, help="Only say what would be changed.")
    def import_(file: Path, dry_run: bool) -> None:
        placed = list(read(file, kind))
        changed = _imported(file, placed, dry_run=dry_run)
        would = "would be " if dry_run else ""
        click.echo(f"{file}: {counted(len(placed), kind.what)}, {changed} {would}changed")


def read(file: Path, kind: type[Entry]) -> Iterator[Placed]:
    """Yield the entries of ``kind`` in ``file``, each with its line.

    Raises:
        ClickException: the file, or a line of it, cannot be read; the sentence names it.
    """
    form = _form(file)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file}: it is not UTF-8: {error.reason}") from None
    lines = _csv_lines(text) if form == "csv" else _json_lines(file, text)
    line = 0
    for line, fields in lines:
        try:
            yield line, msgspec.convert(_split(fields, kind), kind, strict=False)
        except msgspec.ValidationError as error:
            raise _wrong(file, line, str(error)) from None
    if not line:
        click.echo(f"{file}: it names no {kind.what}", err=True)


def _imported(file: Path, placed: Sequence[Placed], *, dry_run: bool) -> int:
    """Put the entries into the directory, all or none. Return how many were changed."""
    done = 0

    def each() -> None:
        nonlocal done
        done += 1
        bar.update(1)

    bar = click.progressbar(
        length=len(placed), label=file.name, file=sys.stderr, hidden=not sys.stderr.isatty()
    )
    with directory() as opened, bar:
        try:
            return opened.put(*(entry for _, entry in placed), each=each, keep=not dry_run)
        except DirectoryError as error:
            raise _wrong(file, placed[done][0], str(error)) from None


def _wrong(file: Path, line: int, reason: str) -> click.ClickException:
    return click.ClickException(f"{file}:{line}: {reason}; nothing was imported")


def _form(file: Path) -> str:
    form = file.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise click.ClickException(f"{file}: its name must end in .csv or .json")
    return form


def _fields(kind: type[Entry]) -> list[str]:
    """Return the names of the fields of ``kind``, first what names it."""
    return sorted(kind.__struct_fields__, key=lambda name: name != kind.what)


def _split(fields: Any, kind: type[Entry]) -> Any:
    """Return ``fields`` with lists where the entry has lists: in CSV they stand between spaces."""
    if not isinstance(fields, dict):
        return fields
    lists = {each.name for each in msgspec.structs.fields(kind) if each.default == ()}
    return {
        name: value.split() if name in lists and isinstance(value, str) else value
        for name, value in fields.items()
    }


def _csv_lines(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", restval="")
    line = 2
    for row in reader:
        fields = {name.strip(): value.strip() for name, value in row.items() if name}
        if row.get(""):
            fields["more than the header names"] = " ".join(row[""])
        yield line, {name: value for name, value in fields.items() if value}
        line = reader.line_num + 1


def _json_lines(file: Path, text: str) -> Iterator[tuple[int, Any]]:
    try:
        items = msgspec.json.decode(text, type=list[msgspec.Raw])
    except msgspec.MsgspecError as error:
        raise click.ClickException(f"{file}: {error}; a list of objects is expected") from None
    at = 0
    for item in items:
        each = bytes(item).decode()
        at = text.index(each, at)
        yield text.count("\n", 0, at) + 1, msgspec.json.decode(item)
        at += len(each)


def _csv(kind: type[Entry], entries: Sequence[Entry]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, _fields(kind), lineterminator="\n")
    writer.writeheader()
    for entry in entries:
        fields: dict[str, Any] = msgspec.to_builtins(entry)
        writer.writerow(
            {
                name: " ".join(value) if isinstance(value, tuple) else value
                for name, value in fields.items()
            }
        )
    return out.getvalue()


def _json(entries: Sequence[Entry]) -> str:
    described = [
        {name: msgspec.to_builtins(getattr(entry, name)) for name in _fields(type(entry))}
        for entry in entries
    ]
    return msgspec.json.format(msgspec.json.encode(described)).decode() + "\n"
