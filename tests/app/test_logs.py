"""What programs write of an exception: where it was, and nothing of what stood there."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog
from structlog.dev import ConsoleRenderer, default_exception_formatter

from app import cli

ADDRESS, SECRET = "+380441234567", "hunter2"
FAILING = f"""
import structlog
import app.worker

def send(address, secret):
    raise OSError("no route")

try:
    send("+380441234" + "567", "hun" + "{SECRET[3:]}")
except OSError:
    structlog.get_logger().exception("provider_failed")
"""


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    ConsoleRenderer.get_active().exception_formatter = default_exception_formatter


def send(address: str, secret: str) -> None:
    raise OSError(f"no route for {len(address)} and {len(secret)}")


def failing(**_: object) -> None:
    """Stand in for a command, also one of the edge."""
    try:
        send(ADDRESS, SECRET)
    except OSError:
        structlog.get_logger().exception("provider_failed")


def says_where_alone(said: str) -> bool:
    shown = "provider_failed" in said and "OSError: no route" in said and "in send" in said
    return shown and ADDRESS not in said and SECRET not in said


def test_a_command_shows_no_address_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "cli", failing)

    cli.main()

    assert says_where_alone(capsys.readouterr().err)


def test_a_worker_shows_no_address_and_no_secret() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FAILING], capture_output=True, text=True, check=True
    )

    assert says_where_alone(ended.stderr)
