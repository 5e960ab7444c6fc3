"""``export`` and ``import`` of each kind of entry, as CSV and JSON."""

import csv
import io
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from app import refusals
from app.cli.opening import directory
from app.cli.showing import counted
from app.directory import Directory, DirectoryError, Entry

FORMATS = ("csv", "json")
FILE = click.Path(dir_okay=False, path_type=Path)
SEPARATORS = re.compile(r"[\s,;]+")  # none of them can be in an id
YES, NO = frozenset(("true", "yes", "1")), frozenset(("false", "no", "0"))
E = TypeVar("E", bound=Entry)
Placed = tuple[int, E]  # an entry, and the line it begins on
Doubts = Callable[[Sequence[E]], Sequence[str]]


def add_exchange(group: click.Group, kind: type[E], doubts: Doubts[E] | None = None) -> None:
    """Give ``group`` the commands ``export`` and ``import`` of entries of ``kind``.

    doubts: says of each entry that is new why it makes no sense now, or nothing.
    """

    @group.command(
        name="export", help=f"Write every {kind.what} to FILE, or as JSON to the screen."
    )
    @click.argument("file", type=FILE, required=False)
    @click.option("--csv", "as_csv", is_flag=True, help="Without FILE: print CSV.")
    def export(file: Path | None, as_csv: bool) -> None:
        now = datetime.now(UTC)
        with directory() as opened:
            entries = [entry for entry in opened.all(kind) if not entry.over(now)]
        form = _form(file) if file else ("csv" if as_csv else "json")
        text = _csv(kind, entries) if form == "csv" else _json(entries)
        if file is None:
            click.echo(text, nl=False)
            return
        _write(file, text)
        click.echo(f"{file}: {counted(len(entries), kind.what)}")

    @group.command(name="import", help=_help(kind))
    @click.argument("file", type=FILE)
    @click.option("--dry-run", is_flag=True, help="Only say what would be changed.")
    def import_(file: Path, dry_run: bool) -> None:
        with directory() as opened:
            before = {entry.key: entry for entry in opened.all(kind)}
            placed = _lasting(file, kind, list(read(file, kind, before)))
            if doubts is not None:
                _doubted(file, placed, doubts([entry for _, entry in placed]), before)
            changed = _imported(opened, file, placed, keep=not dry_run)
        would = "would be " if dry_run else ""
        click.echo(f"{file}: {counted(len(placed), kind.what)}, {changed} {would}changed")


def _help(kind: type[Entry]) -> str:
    fields = {each.name: each for each in msgspec.structs.fields(kind)}
    needed = [name for name in _fields(kind) if fields[name].required]
    more = [name for name in _fields(kind) if not fields[name].required]
    return (
        f"Add or change each {kind.what} that FILE names, CSV or JSON; all of them or none.\n\n"
        f"A CSV's first line names its columns: {', '.join(needed)}, and perhaps "
        f"{', '.join(more)}. A column that is left out stays as it was; an empty cell is the "
        "default. Several in one cell stand between spaces, commas or semicolons.\n\n"
        "What names others comes after them: people, groups, contacts, devices, silences."
    )


def _lasting(file: Path, kind: type[E], placed: list[Placed[E]]) -> list[Placed[E]]:
    """Return ``placed`` without what is over by now, which is said."""
    now = datetime.now(UTC)
    kept = [(line, entry) for line, entry in placed if not entry.over(now)]
    if over := len(placed) - len(kept):
        click.echo(f"{file}: {counted(over, kind.what)} over already, left out", err=True)
    return kept


def _doubted(
    file: Path, placed: Sequence[Placed[E]], doubts: Sequence[str], before: Mapping[str, E]
) -> None:
    """Refuse the first entry of which there is a doubt, unless it is there just so."""
    for (line, entry), doubt in zip(placed, doubts, strict=True):
        if doubt and before.get(entry.key) != entry:
            raise _wrong(file, line, doubt)


def read(file: Path, kind: type[E], before: Mapping[str, E]) -> Iterator[Placed[E]]:
    """Yield the entries of ``kind`` in ``file``, each with its line.

    before: what is there, by key. What a line says nothing of stays as it is there.

    Raises:
        ClickException: the file, or a line of it, cannot be read; the sentence names it.
    """
    form = _form(file)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file}: it is not UTF-8: {error.reason}") from None
    lines = _csv_lines(file, kind, text) if form == "csv" else _json_lines(file, text)
    seen: dict[str, int] = {}
    for line, fields in lines:
        try:
            entry = msgspec.convert(fields, kind, strict=False)
            if entry.key in before:
                whole = msgspec.to_builtins(before[entry.key]) | fields
                entry = msgspec.convert(whole, kind, strict=False)
        except msgspec.ValidationError as error:
            field, what = refusals.words(error, kind)
            raise _wrong(file, line, f"{field}: {what}" if field else what) from None
        if entry.key in seen:
            raise _wrong(file, line, f"{entry.key} stands on line {seen[entry.key]} already")
        seen[entry.key] = line
        yield line, entry
    if not seen:
        click.echo(f"{file}: it names no {kind.what}", err=True)


def _imported(opened: Directory, file: Path, placed: Sequence[Placed[E]], *, keep: bool) -> int:
    """Put the entries into the directory, all or none. Return how many were changed."""
    done = 0

    def each() -> None:
        nonlocal done
        done += 1
        bar.update(1)

    bar = click.progressbar(
        length=len(placed), label=file.name, file=sys.stderr, hidden=not sys.stderr.isatty()
    )
    with bar:
        try:
            return opened.put(*(entry for _, entry in placed), each=each, keep=keep)
        except DirectoryError as error:
            raise _wrong(file, placed[done][0], str(error)) from None


def _write(file: Path, text: str) -> None:
    """Put a file with ``text`` in the place of ``file``, for its owner alone: it names people."""
    file = file.resolve()
    try:
        descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as out:  # noqa: PTH123 - opened above
            out.write(text)
        Path(draft).replace(file)
    except BaseException:
        Path(draft).unlink()
        raise


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


def _csv_lines(file: Path, kind: type[Entry], text: str) -> Iterator[tuple[int, Any]]:
    """Yield each row of ``text``; an empty cell is the default."""
    defaults = {each.name: each.default for each in msgspec.structs.fields(kind)}
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        header = [name.strip() for name in next(rows, [])]
        if twice := [name for name in header if header.count(name) > 1]:
            raise _wrong(file, line, f"two columns are named {twice[0]!r}")
        if len(header) == 1 and {";", "\t"} & set(header[0]):
            raise _wrong(file, line, "separate the columns by commas")
        line = rows.line_num + 1
        for cells in rows:
            if len(cells) > len(header):
                more = " ".join(cells[len(header) :])
                raise _wrong(file, line, f"more than the header names: {more}")
            fields: dict[str, Any] = {}
            for name, cell in zip(header, map(str.strip, cells), strict=False):
                default = defaults.get(name, "")
                if cell or default is not msgspec.NODEFAULT:
                    fields[name] = _value(cell, default) or default
            if cells:
                yield line, fields
            line = rows.line_num + 1
    except csv.Error as error:
        said = str(error).replace("unexpected end of data", "a quote is not closed")
        raise _wrong(file, line, said) from None


def _value(cell: str, default: Any) -> Any:
    """Return what ``cell`` says in a column that otherwise holds ``default``."""
    if default == ():
        return list(filter(None, SEPARATORS.split(cell)))
    if default is False and cell.lower() in YES | NO:
        return cell.lower() in YES
    return cell


def _json_lines(file: Path, text: str) -> Iterator[tuple[int, Any]]:
    try:
        items = msgspec.json.decode(text, type=list[msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError) as error:
        raise click.ClickException(f"{file}: {error}; a list of objects is expected") from None
    at = 0
    for item in items:
        each = bytes(item).decode()
        at = text.index(each, at)
        line = text.count("\n", 0, at) + 1
        try:
            yield line, msgspec.json.decode(item, type=dict[str, Any])
        except msgspec.ValidationError:
            raise _wrong(file, line, "an object is expected, as {…}") from None
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
