"""What commands print, and the codes they end with."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.broker.ports import free_port
from app.cli import COMMANDS, cli


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example_or_commands_of_its_own(command: str) -> None:
    result = run(command, "--help")

    assert result.exit_code == 0
    assert f"changeover {command}" in result.output or "Commands:" in result.output


def test_the_list_of_commands_loads_none_of_them() -> None:
    assert all(command in run("--help").output for command in COMMANDS)


@pytest.mark.parametrize("command", [["topics", "list"], ["topics", "tail", "probes"], ["audit"]])
def test_no_kafka_is_one_sentence(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANGEOVER_BROKER_PORT", str(free_port()))
    result = run(*command)

    assert result.exit_code in (1, 2)
    assert result.output.startswith("Error: no Kafka answers at 127.0.0.1:")
    assert result.output.count("\n") == 1


def test_a_setting_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANGEOVER_BROKER_PORT", "no port")

    assert "CHANGEOVER_BROKER_PORT" in run("topics", "list").output


def test_decide_prints_decisions_and_names_bad_lines(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "Transition.log").write_text(
        "2026-01-01T00:00:00Z from=grid to=none\nrubbish\n2026-01-01T01:00:00Z from=none to=grid"
    )
    result = run("decide", str(folder), "--until", "2026-01-01T00:05:00Z")
    decisions = [json.loads(line) for line in result.stdout.splitlines()]

    assert [(each["rule"], each["kind"], each["at"]) for each in decisions] == [
        ("source_none", "fired", "2026-01-01T00:00:10Z"),
        ("grid_lost", "fired", "2026-01-01T00:02:00Z"),
    ]
    assert {each["device"] for each in decisions} == {"shop"}
    assert f"{folder / 'Transition.log'}:2: rubbish is not a time" in result.stderr
    assert "Transition.log:3: the line has no end yet, left out" in result.stderr
    assert "1 malformed of 2 lines" in result.stderr


def test_decide_reads_a_line_after_the_nul_bytes_of_a_power_cut(tmp_path: Path) -> None:
    lines = b"2026-01-01T00:00:00Z from=none to=grid\n\0\0\0" + (
        b"2026-01-01T00:01:00Z from=grid to=none\n"
    )
    (tmp_path / "Transition.log").write_bytes(lines)
    result = run("decide", str(tmp_path), "--until", "2026-01-01T00:02:00Z")

    assert '"source_none"' in result.stdout
    assert "Transition.log:2: the line begins with NUL bytes" in result.stderr
    assert "1 malformed of 3 lines" in result.stderr


def test_decide_takes_the_device_from_the_configuration_and_rules_from_a_file(
    tmp_path: Path,
) -> None:
    (tmp_path / "notifications.config").write_text('device = "shop-7"\n')
    (tmp_path / "Transition.log").write_text("2026-01-01T00:00:00Z from=grid to=none\n")
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "x"\nstream = "transitions"\nfor = "0s"\n'
        'when = { field = "source", equals = "none" }\n'
    )
    (line,) = run("decide", str(tmp_path), "--rules", str(rules)).stdout.splitlines()

    assert (json.loads(line)["device"], json.loads(line)["rule"]) == ("shop-7", "x")


def test_decide_reads_the_rules_that_workers_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Transition.log").write_text("")
    monkeypatch.setenv("CHANGEOVER_RULES", str(tmp_path / "nowhere.toml"))
    result = run("decide", str(tmp_path))

    assert result.exit_code == 2
    assert "nowhere.toml: cannot be read" in result.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHANGEOVER_DATABASE", "nonsense"),
        ("CHANGEOVER_DATABASE", "postgresql://somewhere/x"),
        ("CHANGEOVER_DATABASE", "sqlite:////dev/null/x.db"),
        ("KAFKA_BOOTSTRAP_SERVERS", "foo:bar"),
    ],
)
def test_a_bad_setting_is_one_sentence(name: str, value: str, tmp_path: Path) -> None:
    env = os.environ | {name: value, "CHANGEOVER_HOME": str(tmp_path)}
    command = (sys.executable, "-c", "from app.cli import main; main()", "people", "list")
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1


def test_decide_without_logs_or_with_bad_rules_is_a_usage_error(tmp_path: Path) -> None:
    none = run("decide", str(tmp_path))
    (tmp_path / "Transition.log").write_text("")
    (tmp_path / "rules.toml").write_text("[[rule]]\nnmae = 'x'\n")
    bad = run("decide", str(tmp_path), "--rules", str(tmp_path / "rules.toml"))

    assert (none.exit_code, bad.exit_code) == (2, 2)
    assert "holds none of" in none.stderr
    assert "rules.toml: rule number 1: there is no key `nmae`; `name` is meant?" in bad.stderr


def test_up_refuses_a_mistake_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rules.toml").write_text("[[rule]]\nnmae = 'x'\n")
    config = tmp_path / "notifications.config"
    config.write_text('devcie = "home"\n')
    bad_config = run("up", "--config", str(config))
    monkeypatch.setenv("CHANGEOVER_RULES", str(tmp_path / "rules.toml"))
    bad_rules = run("up")

    assert (bad_config.exit_code, bad_rules.exit_code) == (2, 2)
    assert "notifications.config: there is no setting devcie; did you mean device?" in (
        bad_config.output
    )
    assert "rules.toml: rule number 1: there is no key `nmae`" in bad_rules.output


def test_schemas_are_json() -> None:
    assert json.loads(run("schemas", "decision").output)["$ref"] == "#/$defs/Decision"
    assert run("schemas", "nothing").exit_code == 2
