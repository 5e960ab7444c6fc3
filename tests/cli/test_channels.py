"""``changeover channels test``: one message, followed to its outcome."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import cli
from tests.providers.twilio_peer import ACCOUNT, TOKEN, twilio

TEST = ("channels", "test", "sms", "+15550100")


@pytest.fixture(name="secret")
def _secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    monkeypatch.setenv("CHANGEOVER_SMS_SECRET_FILE", str(file))


def tried(monkeypatch: pytest.MonkeyPatch, statuses: list[str], *more: str) -> Result:
    """Return what the command says of a text that goes through ``statuses``."""

    async def run() -> Result:
        async with twilio() as peer:
            peer.statuses = statuses
            url = f"twilio://{ACCOUNT}?from=+15550199&api={peer.api}"
            monkeypatch.setenv("CHANGEOVER_SMS", url)
            return await asyncio.to_thread(CliRunner().invoke, cli, [*TEST, *more])

    return asyncio.run(run())


def test_a_text_is_followed_until_it_has_arrived(
    secret: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = tried(monkeypatch, ["queued", "delivered"])

    assert result.exit_code == 0
    first, second, third = result.output.splitlines()
    assert first == "1 part of GSM-7"
    assert second.startswith("sent: as SM")
    assert third == "delivered"


def test_a_text_that_was_lost_is_exit_1(secret: None, monkeypatch: pytest.MonkeyPatch) -> None:
    result = tried(monkeypatch, ["undelivered"], "--text", "ça", "--json")

    assert result.exit_code == 1
    described = json.loads(result.output)
    assert described["answer"]["verdict"] == "sent"
    assert described["receipt"]["reason"] == "Twilio: undelivered, error 30003"


def test_who_does_not_wait_is_told_that_nothing_is_known(
    secret: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = tried(monkeypatch, ["delivered"], "--wait", "0", "--text", "Привет")

    assert result.exit_code == 0
    assert result.output.startswith("1 part of UCS-2\nsent: as SM")
    assert result.output.endswith("nothing is known yet of whether it has arrived\n")
