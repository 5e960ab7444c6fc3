"""``changeover edge``: one clear line and an exit code for whatever goes wrong."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.edge.logs import READINGS, append, environment, reading_text


def changeover(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from app.cli import main; main()"]
    return subprocess.run(
        [*program, *arguments], capture_output=True, text=True, check=False, env=environment()
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "notifications.config"
    file.write_text('device = "home"\nbrokers = "127.0.0.1:1"\n')
    return file


def test_a_mistake_in_the_configuration_is_exit_code_2(file: Path) -> None:
    file.write_text('device = "home"\ntik = "1s"\n')

    ended = changeover("edge", "--config", str(file))

    assert ended.returncode == 2
    assert "there is no setting tik; did you mean tick?" in ended.stderr


def test_until_goes_with_once(file: Path) -> None:
    ended = changeover("edge", "--config", str(file), "--until", "2026-01-01T00:00:00Z")

    assert ended.returncode == 2
    assert "--until goes with --once" in ended.stderr


def test_what_could_not_be_shipped_is_exit_code_1(file: Path) -> None:
    append(file.parent, READINGS, reading_text(1))

    ended = changeover("edge", "--config", str(file), "--once", "--patience", "500ms", "--json")

    assert ended.returncode == 1
    assert msgspec.json.decode(ended.stdout)["waiting"] == 3
    assert "3 records wait in the spool" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_pure_modules_load_no_kafka_client() -> None:
    modules = "edge.config, edge.merge, edge.parse, edge.stamp, edge.windows, edge.service"
    program = f"import sys, {modules}; sys.exit('aiokafka' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
