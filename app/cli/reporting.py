"""What commands share that read all that is recorded: their settings, and how far they are."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from app import rules_file, settings
from app.kafka import ReadError
from tables.rules import Rule, RulesError


class UnableError(click.ClickException):
    """Nothing could be compared, which is not the same as a difference."""

    exit_code = 2


def surroundings() -> settings.Settings:
    """Return the settings.

    Raises:
        UsageError: one of them is wrong.
    """
    try:
        return settings.read()
    except settings.SettingsError as error:
        raise click.UsageError(str(error)) from None


def configured(rules: str | None = None) -> tuple[settings.Settings, tuple[Rule, ...]]:
    """Return the settings, and the base rules: of the file ``rules``, else as they say.

    Raises:
        UsageError: one of them is wrong.
    """
    read = surroundings()
    try:
        return read, rules_file.load(rules or read.rules)
    except RulesError as error:
        raise click.UsageError(str(error)) from None


def hint(named: str | None, configured: str | None, differences: Sequence[object]) -> None:
    """Say with which rules it was compared, if there are ``differences``: it may be that alone."""
    if differences:
        file = named or configured or "the default rules"
        click.echo(
            f"compared under {file}: are they the workers'? --rules, CHANGEOVER_RULES", err=True
        )


@contextmanager
def told() -> Iterator[Callable[[int, int], None]]:
    """Enter with what is to be told how many of how many are read; a bar shows it on a terminal.

    Raises:
        UnableError: in the block there was no broker, or a topic was missing.
    """
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=1, file=sys.stderr, hidden=hidden) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        try:
            yield progress
        except ReadError as error:
            raise UnableError(str(error)) from None
