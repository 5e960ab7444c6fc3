"""What ``up`` and the workers refuse at once, before anything else starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.broker.ports import free_port
from app.stream.watch import EXIT_CONFIG
from tests.cli.running import run

PROVIDERS = [
    ("CHANGEOVER_SMS", "twilio://AC123?from=+15550100", "sms: the account is not AC and 32 hex"),
    ("CHANGEOVER_EMAIL", "smtp://127.0.0.1?starttls=never", "email: no sender, or none that is"),
    ("CHANGEOVER_PUSH", "pigeon://coop", "environment: CHANGEOVER_PUSH: 'pigeon://coop' is none"),
]


@pytest.mark.parametrize(("name", "value", "sentence"), PROVIDERS)
def test_a_provider_that_cannot_be_used_is_told_at_once(
    name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    up, listed = run("up"), run("channels list")

    assert (up.exit_code, listed.exit_code) == (2, 1)
    assert f"Error: {sentence}" in up.output
    assert listed.output.startswith(f"Error: {sentence}")
    assert "Apache Kafka" not in up.output


def test_a_worker_that_could_not_send_ends_and_says_why_in_one_line() -> None:
    env = os.environ | {"CHANGEOVER_EMAIL": "smtp://127.0.0.1?starttls=never"}
    command = (sys.executable, "-m", "faust", "-A", "app.worker:deliver", "worker")
    ended = subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    assert ended.returncode == EXIT_CONFIG
    assert ended.stderr == (
        "changeover: email: no sender, or none that is an address: "
        "add from=Name%20<alerts@example.com>\n"
    )


def test_a_database_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/x"
    monkeypatch.setenv("CHANGEOVER_DATABASE", url)
    monkeypatch.setenv("CHANGEOVER_DASHBOARD_PORT", str(free_port()))
    up = run("up")

    assert up.exit_code == 1
    assert up.output.startswith("Error: database: ")
    assert up.output.endswith("see CHANGEOVER_DATABASE\n")
    assert up.output.count("\n") == 1


def test_a_secret_file_that_is_empty_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("\n")
    monkeypatch.setenv("CHANGEOVER_SMS", "twilio://AC?from=+15550100")
    monkeypatch.setenv("CHANGEOVER_SMS_SECRET_FILE", str(tmp_path / "token"))

    assert "CHANGEOVER_SMS_SECRET_FILE: " in run("channels list").output
    assert run("channels list").output.endswith("the file is empty\n")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("CHANGEOVER_PUBLIC_URL", "alerts", "expected a URL without ? or #, as https://alerts"),
        ("CHANGEOVER_BROKER_PORT", "0", "expected a whole number from 1 to 65535"),
        ("CHANGEOVER_TEMPLATES", "/nowhere", "/nowhere is no folder"),
        ("CHANGEOVER_GROUPING", "soon", "'soon' is not a duration"),
    ],
)
def test_a_setting_that_is_wrong_says_what_would_be_right(
    name: str, value: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    assert run("up").output.splitlines()[-1].startswith(f"Error: environment: {name}: {sentence}")


def test_templates_that_nothing_looks_for_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (
        "english/sms/grid_lost.j2", "en/sms/grid_lst.j2", "en/fax.j2", "grid_lost.j2",
        "en/sms/grid_lost.j2", "en/short.j2", "en/email.html.j2", "en/words.j2",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{% include 'en/words.j2' %}")
    monkeypatch.setenv("CHANGEOVER_TEMPLATES", str(tmp_path))
    said = run("templates check --language en").stderr.replace(f"{tmp_path}/", "").splitlines()

    assert [line.partition(": ")[0] for line in said if "never used" in line] == [
        "en/fax.j2 is never used",
        "en/sms/grid_lst.j2 is never used",
        "english/sms/grid_lost.j2 is never used",
        "grid_lost.j2 is never used",
    ]
    assert "there is no rule grid_lst; there are battery_low, " in said[1]


def test_a_zone_that_is_none_is_refused() -> None:
    refused = run("templates check --zone Nowhere")

    assert refused.exit_code == 2
    assert "'Nowhere' is no time zone, as Africa/Lagos" in refused.output
