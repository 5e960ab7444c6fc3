"""Telling a person what is going on, on standard error, with the time."""

from datetime import datetime

import click


def say(sentence: str) -> None:
    """Write ``sentence`` with the local time."""
    click.echo(f"{datetime.now().astimezone():%H:%M:%S}  {sentence}", err=True)
