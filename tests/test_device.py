"""The device's unit, and how docs/device.md sets it up: what the program needs is allowed."""

import re
from collections import defaultdict
from pathlib import Path

from edge.config import load

ROOT = Path(__file__).parents[1]
LOADED_LATER = {"char-ttyUSB": "usbserial", "char-ttyACM": "cdc_acm"}  # with the first such port


def unit() -> dict[str, list[str]]:
    """Return the words of each setting, in all its lines."""
    found = defaultdict[str, list[str]](list)
    for line in (ROOT / "deploy/changeover-edge.service").read_text().splitlines():
        name, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            found[name] += value.split()
    return found


def test_the_program_may_ask_whether_the_clock_is_right() -> None:
    allowed = unit()["SystemCallFilter"]

    assert {"adjtimex", "clock_adjtime", "clock_adjtime64"} <= {*allowed}
    assert "ProtectClock" not in unit()  # it forbids to ask, too


def test_the_logs_stay_whose_they_are() -> None:
    settings = unit()

    assert "LogsDirectory" not in settings
    assert settings["ReadWritePaths"] == ["-/var/log/changeover"]


def test_a_modem_that_comes_after_the_start_is_allowed() -> None:
    settings = unit()
    loaded = {f"modprobe@{each}.service" for each in LOADED_LATER.values()}

    assert {*LOADED_LATER} <= {*settings["DeviceAllow"]}
    assert loaded <= {*settings["Wants"]}
    assert loaded <= {*settings["After"]}


def test_people_may_read_the_log_that_is_for_them_and_not_the_spool() -> None:
    settings = unit()

    assert settings["UMask"] == ["0022"]
    assert settings["StateDirectoryMode"] == ["0700"]


def test_the_documented_configuration_writes_where_the_service_may(tmp_path: Path) -> None:
    shown = re.search(r"```toml\n(.*?)```", (ROOT / "docs/device.md").read_text(), re.DOTALL)
    file = tmp_path / "notifications.config"
    file.write_text(shown[1] if shown else "")

    config = load(file, {})

    settings = unit()
    assert settings["ReadWritePaths"] == [f"-{config.logs}"]
    assert [f"/var/lib/{each}" for each in settings["StateDirectory"]] == [str(config.spool.parent)]
