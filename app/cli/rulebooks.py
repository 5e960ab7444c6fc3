"""The rules there are: those of the file, and the versions that were applied since."""

import asyncio

import click

from app import rules_topic
from app.broker.errors import BrokerError
from app.cli.reporting import configured
from app.kafka import ReadError
from tables.rulebook import Version


def versions(servers: str) -> list[Version]:
    """Return every version that was applied; without a broker none, and that is said."""
    try:
        return asyncio.run(rules_topic.written(servers)).versions
    except (ReadError, BrokerError):
        click.echo("no broker: by the rules file alone", err=True)
        return []


def names() -> set[str]:
    """Return the names of all rules that ever were."""
    read, base = configured()
    return {each.name for each in base} | {each.name for each in versions(read.servers)}


def missing(rule: str, known: set[str]) -> str:
    """Return that there is no such ``rule``, if it is none of ``known``; else nothing."""
    return "" if rule in known else f"there is no rule {rule}; there are {', '.join(sorted(known))}"
