"""``changeover up``: everything on this machine."""

import asyncio
import sys
from pathlib import Path

import click

from app import house, rules_file, settings
from app.broker.errors import BrokerError
from app.cli.saying import say
from app.database import DatabaseError
from app.supervisor import NotReadyError, until_interrupted
from app.texts import ignored
from edge.config import ConfigError, load
from tables.rules import RulesError


@click.command(name="up")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A notifications.config: the edge of that device runs here too.",
)
@click.option("--workers", type=click.IntRange(1), default=1, help="How many workers decide.")
def up(config: Path | None, workers: int) -> None:
    """Run the broker, the workers and the dashboard on this machine. Ctrl-C ends it all.

    \b
    changeover up
    changeover up --config /etc/changeover/notifications.config
    """
    try:
        read = settings.read()
        rules = rules_file.load(read.rules)  # a mistake is told here, not in a worker's log
        if read.templates_dir:
            for sentence in ignored(read.templates_dir, {rule.name for rule in rules}):
                say(sentence)
        if config is not None:
            load(config)
        asyncio.run(_up(read, config, workers))
    except (settings.SettingsError, RulesError, ConfigError) as error:
        raise click.UsageError(str(error)) from None
    except (BrokerError, NotReadyError, DatabaseError) as error:
        raise click.ClickException(str(error)) from None
    sys.exit(0)


async def _up(read: settings.Settings, config: Path | None, workers: int) -> None:
    async with house.running(read, say, workers=workers, config=config):
        say(f"ready: Kafka at {read.servers}, pages at http://127.0.0.1:{read.dashboard_port}/")
        say(f"logs in {read.home_dir / 'logs'}, messages in {read.outbox_dir}; Ctrl-C ends it")
        await until_interrupted()
        say("ending")
