"""The commands for people, addresses, devices, groups and silences; who would be told."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.broker.ports import free_port
from app.cli import cli
from tests.cli.running import done, run


def routed(*more: str) -> dict[tuple[str, str], tuple[str, str]]:
    result = run("route --device home --rule grid_lost --json", *more)
    described = json.loads(result.stdout)
    return {
        (each["person"], each["channel"]): (each["told"], each["why"])
        for each in described["people"]
    }


def test_what_is_added_is_said_and_what_is_still_to_do() -> None:
    assert done("people add ann --email ann@example.com") == (
        "person ann, contact ann email ann@example.com\n"
        "not verified yet: changeover contacts verify ann ann@example.com\n"
    )
    assert done("devices add home --owner ann") == "device home\n"
    assert done("devices grant home ann owner") == "device home: it was so already\n"
    refused = run("people add ann")
    assert refused.exit_code == 1
    assert refused.output == ("Error: there is a person ann already; `changeover people set`\n")


def test_people_and_addresses_are_listed(house: None) -> None:
    done("people flags ann --sms critical=always,warning=unanswered --email never")
    done("people set ann --language fr --zone Africa/Lagos --quiet 22:00-07:00")

    assert done("people list").splitlines()[:2] == [
        "person\tname\tlanguage\tzone\tquiet\temail\tsms\tpush",
        "ann\tAnn\tfr\tAfrica/Lagos\t22:00-07:00\tnever\tcritical=always,warning=unanswered\talways",
    ]
    assert done("contacts list").splitlines()[1:3] == [
        "ann\temail\ta…@example.com\tverified",
        "ann\tsms\t+23…78\tverified",
    ]
    assert json.loads(done("contacts list --json --reveal"))[1]["address"] == "+2348012345678"
    done("people set ann --quiet off")
    assert json.loads(done("people list --json"))[0]["quiet"] == ""


def test_nobody_is_added_by_halves() -> None:
    result = run("people add bob --email bob@example.com --sms bad")

    assert result.exit_code == 1
    assert result.output.startswith("Error: sms: 'bad' is not an E.164 number")
    assert json.loads(done("people list --json")) == []


def test_a_device_of_nobody_known_is_refused_in_a_sentence() -> None:
    result = run("devices add home --owner zoe")

    assert result.exit_code == 1
    assert result.output == "Error: there is no person zoe; `changeover people add zoe`\n"


def test_a_device_whose_name_looks_like_a_mistake_is_added_and_asked_about() -> None:
    result = CliRunner().invoke(cli, ["devices", "add", "ike ja"])

    assert result.exit_code == 0
    assert result.stdout == "device ike ja\n"
    assert "just so in its notifications.config? device = 'ike ja'" in result.stderr
    assert "no outer spaces" in CliRunner().invoke(cli, ["devices", "add", "ike "]).output


def test_roles_are_granted_and_revoked(house: None) -> None:
    done("devices grant home bob owner --first")
    done("devices grant home ann watcher")
    assert done("devices list") == (
        "device\towners\twatchers\toperators\tgroups\nhome\tbob\tann\t\tikeja\n"
    )
    done("devices revoke home ann")
    done("groups revoke ikeja eve")
    assert done("groups list") == ("group\tdevices\towners\twatchers\toperators\nikeja\t1\t\t\t\n")
    done("devices leave home ikeja")
    assert json.loads(done("devices list --json"))[0]["groups"] == []
    assert run("devices revoke home ann").output == "Error: ann has no role on device home\n"


def test_a_code_is_sent_and_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANGEOVER_OUTBOX", str(tmp_path / "outbox"))
    done("people add ann")
    done("contacts add ann sms +2348012345678")
    assert "sent by sms" in done("contacts verify ann +2348012345678")
    (text,) = (tmp_path / "outbox" / "sms").iterdir()
    found = re.search(r"your code is (\d{6})", text.read_text())
    assert found is not None
    wrong = run("contacts confirm ann +2348012345678 x")
    assert wrong.output == "Error: ann's sms address: that is not the code that was sent\n"
    done("contacts confirm ann +2348012345678", found[1])

    assert done("contacts list").endswith("verified\n")
    assert "not verified" not in done("contacts list")


def test_where_nothing_is_sent_is_shown_and_taken_back(house: None) -> None:
    done("contacts suppress sms +2348012345678 --reason", "asked on the phone")
    assert "+23…78\tasked on the phone" in done("contacts suppressed")
    assert "+2348012345678\tasked" in done("contacts suppressed --reveal")
    assert "suppressed: asked on the phone" in done("contacts list")
    assert routed()["ann", "sms"] == ("no", "suppressed: asked on the phone")
    done("contacts release sms +2348012345678")

    assert routed()["ann", "sms"][0] == "at once"
    assert run("contacts release sms +2348012345678").exit_code == 1


def test_an_address_is_suppressed_however_it_is_spelled(house: None) -> None:
    assert done("contacts suppress email Ann@EXAMPLE.com") == "suppressed ann@example.com\n"
    assert routed()["ann", "email"][0] == "no"
    assert done("contacts suppress email x@Example.com") == "suppressed x@Example.com\n"


def test_who_would_be_told_and_why(house: None) -> None:
    done("devices grant home bob watcher")
    done("people flags ann --sms unanswered")
    done("people flags bob --sms critical=always")

    assert routed() == {
        ("ann", "email"): ("at once", "owner, always by this channel"),
        ("ann", "sms"): ("if the others fail", "owner, unanswered by this channel"),
        ("bob", "sms"): ("no", "never by sms when it is warning"),
        ("eve", "push"): ("if the others fail", "operator, always by this channel"),
    }
    table = done("route --device home --rule grid_lost")
    assert table.splitlines()[1] == "home: grid_lost, warning"
    assert "ann\towner\temail\ta…@example.com\tat once\towner, always" in table


def test_a_rule_that_reaches_nobody_is_exit_1(house: None) -> None:
    result = run("route --device shop --rule grid_lost")

    assert result.exit_code == 1
    assert "nobody has to do with shop" in result.output
    missing = run("route --device home --rule grid_gone")
    assert missing.exit_code == 1
    assert "there is no rule grid_gone; there are" in missing.output
    assert run("route --device home").exit_code == 2


def test_what_is_held_back_is_not_told_at_once(house: None) -> None:
    done("people set ann --quiet 00:00-23:59 --zone UTC")
    quiet = routed()["ann", "sms"]
    assert quiet[0] == "after quiet hours"
    assert re.fullmatch(r"owner, always by this channel; quiet until \S+T23:59:00Z", quiet[1])
    assert run("route --device home --rule grid_lost").exit_code == 1
    done("route --device home --rule source_none")  # it is critical

    done("silences add --all --for 2h --by eve")
    assert routed()["ann", "sms"][0] == "when the silence ends"
    held = run("route --device home --rule source_none")
    assert held.exit_code == 1
    assert re.search(r"silenced by eve until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n", held.output)
    assert "at once" not in held.output


def test_a_silence_that_would_silence_nothing_is_refused(house: None) -> None:
    typo = run("silences add --all --for 2h --rule grid_lst")
    past = run("silences add --all --until 2020-01-01T00:00:00Z")

    assert (typo.exit_code, past.exit_code) == (1, 1)
    assert "Error: there is no rule grid_lst; there are battery_low, " in typo.output
    assert past.output == "Error: until 2020-01-01T00:00:00Z: that is past\n"
    assert json.loads(done("silences list --json --all")) == []


def test_what_holds_of_a_person_now_is_said() -> None:
    done("people add ann")
    result = run("people set ann --language de")

    assert result.stdout.startswith("person ann\n  name: ann\n  language: de\n  zone: UTC\n")
    assert result.stderr == (
        "there are no templates in de: what is told comes in en; there are en, fr\n"
    )
    assert "  sms: never\n" in done("people flags ann --sms never")


def test_what_is_not_there_or_not_meant_is_said(house: None) -> None:
    assert run("contacts confirm anne +1 1").output == "Error: there is no person anne\n"
    assert run("ack a").output == "Error: notification a: give at least 4 characters of its id\n"
    assert run("tables show home").exit_code == 1
    assert run("database downgrade 0009").output == (
        "Error: directory: there is no version 0009; there are 0001, 0002\n"
    )


def test_a_code_is_not_sent_again_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANGEOVER_OUTBOX", str(tmp_path / "outbox"))
    done("people add ann --sms +2348012345678")
    done("contacts verify ann +2348012345678")

    assert run("contacts verify ann +2348012345678").output == (
        "Error: ann's sms address: a code was sent there less than a minute ago; wait a minute\n"
    )
    assert len(list((tmp_path / "outbox" / "sms").iterdir())) == 1


def test_what_names_people_is_for_its_owner_alone(tmp_path: Path) -> None:
    done("people add ann --sms +2348012345678")
    done("contacts verify ann +2348012345678")
    home = tmp_path / "changeover"

    assert {each.name for each in home.iterdir()} >= {"changeover.db", "outbox"}
    for each in (home, home / "changeover.db", home / "outbox", home / "outbox" / "sms"):
        assert each.stat().st_mode & 0o077 == 0, each


def test_a_silence_is_shown_and_ended(house: None) -> None:
    added = done("silences add --group ikeja --for 2h --by ann --reason", "the meter is replaced")
    identity = added.split()[1]
    assert f"{identity}\tgroup ikeja\tevery rule" in done("silences list")
    assert "silenced by ann until" in run("route --device home --rule grid_lost").output
    assert run("silences remove 0000-").exit_code == 1
    done("silences remove", identity[:4])

    assert done("silences list").count("\n") == 1
    for wrong in (
        "--for 2h",
        "--all",
        "--all --for 2h --until 2026-01-01T00:00Z",
        "--all --for soon",
    ):
        assert run(f"silences add {wrong}").exit_code == 2


def test_who_changed_what_is_kept(house: None) -> None:
    changes = json.loads(done("people log --json -n 1"))

    assert "+2348012345678" not in done("people log")
    assert "ann sms +23…78" in done("people log")
    assert "ann sms +2348012345678" in done("people log --reveal")
    assert changes[0]["what"] == "device"
    assert json.loads(changes[0]["after"])["owners"] == ["ann"]


def test_the_tables_go_back_for_an_older_program() -> None:
    assert run("database status").exit_code == 1  # there are none yet
    done("people add ann")
    assert json.loads(done("database status --json")) == {"version": "0002", "program": "0002"}
    done("database downgrade 0001 --yes")
    assert "of version 0001, the program is for 0002" in run("database status").output
    done("database upgrade")
    assert [each["person"] for each in json.loads(done("people list --json"))] == ["ann"]
    assert "Error: directory: " in run("database downgrade nonsense --yes").output


def test_a_channel_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANGEOVER_OUTBOX", str(tmp_path))
    assert done("channels list") == "channel\tprovider\nemail\tfolder\nsms\tfolder\npush\tfolder\n"
    assert done("channels test email ann@example.com").startswith("sent: as ")
    assert len(list((tmp_path / "email").iterdir())) == 1

    assert run("channels test email ann").exit_code == 1
    monkeypatch.setenv(
        "CHANGEOVER_EMAIL", f"smtp://127.0.0.1:{free_port()}?starttls=never&from=us@example.com"
    )
    refused = run("channels test email ann@example.com")
    assert refused.exit_code == 1
    assert refused.output.startswith("retry: ")
