"""The command ``changeover``. Each command is loaded when it is called: a device has no server."""

import importlib
import logging
import sys

import click

from app import logs

COMMANDS = {
    "up": "Run everything on this machine; Ctrl-C ends it all.",
    "demo": "Show the whole product at work, on logs it writes itself.",
    "edge": "Tail a device's logs and ship them.",
    "decide": "Decide on the logs in a folder, without Kafka.",
    "audit": "Decide again on everything recorded, and compare.",
    "rules": "What is watched: list, check, apply, and every version.",
    "tables": "What the workers keep of each device; rebuild and compare.",
    "templates": "What messages say, and how many parts texts have.",
    "ack": "You see to a notification: nobody else needs to be told.",
    "topics": "List and read topics.",
    "people": "Who is told, when, and in which language.",
    "contacts": "Addresses, whose they are, and where nothing is sent.",
    "devices": "Devices, their groups, and who has to do with them.",
    "groups": "Devices that have something in common, and who sees to them.",
    "silences": "Nothing is told for a while, of a device, a group, or at all.",
    "database": "Of which version the directory's tables are.",
    "route": "Who would be told, by what, and why or why not.",
    "channels": "How messages leave: list the channels, and try one.",
    "receipts": "Take what providers say later, and mails that came back.",
    "dashboard": "Serve the pages on this machine.",
    "schemas": "Print the JSON Schema of every record.",
}
EXTRAS = {"edge": "edge"}


class Lazy(click.Group):
    """A group whose commands are modules of this package, of the same name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, loading it; None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        try:
            module = importlib.import_module(f"app.cli.{cmd_name}")
        except ModuleNotFoundError as error:
            if error.name is None or error.name.split(".")[0] in (
                "app",
                "edge",
                "tables",
                "schemas",
            ):
                raise
            extra = EXTRAS.get(cmd_name, "server")
            raise click.ClickException(
                f"{cmd_name} needs the package {error.name}: pip install 'changeover[{extra}]'"
            ) from None
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="changeover")
def cli() -> None:
    """Tells people, once and in time, when their power needs them.

    Everything local lies in CHANGEOVER_HOME (./.changeover). With KAFKA_BOOTSTRAP_SERVERS set, that
    cluster is used, else the node that `changeover up` runs on CHANGEOVER_BROKER_PORT (9092).
    """


def main() -> None:
    """Run the command; what goes wrong is a sentence on standard error and an exit code."""
    # Its warnings go to whoever configured logging; what a command meets it tells itself.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    logs.to_stderr()
    try:
        cli(prog_name="changeover")
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"Error: {place}{error.strerror or error}", err=True)
        sys.exit(1)
