"""Commands as a user gives them, in the same process, and a house that they make."""

from click.testing import CliRunner, Result

from app.cli import cli

HOUSE = (
    "people add ann --name Ann --email ann@example.com --sms +2348012345678 --verified",
    "people add bob --sms +2348012345679 --verified",
    "people add eve --push token --verified",
    "groups add ikeja --operator eve",
    "devices add home --owner ann --group ikeja",
)


def run(line: str, *more: str) -> Result:
    return CliRunner().invoke(cli, [*line.split(), *more])


def done(line: str, *more: str) -> str:
    result = run(line, *more)
    assert result.exit_code == 0, result.output
    return result.output
