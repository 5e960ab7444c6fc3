"""Instants as arguments of commands."""

from datetime import datetime

import click

from edge.parse import instant


class Instant(click.ParamType):
    """An RFC 3339 time; without a zone it is UTC."""

    name = "instant"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return ``value`` as a time in UTC, or fail as click does."""
        if isinstance(value, datetime):
            return value
        try:
            return instant(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


INSTANT = Instant()
