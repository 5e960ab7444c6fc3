"""``export`` and ``import``: all of the directory as files, and files with mistakes."""

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from app.cli.opening import directory
from app.directory import Silence
from tests.cli.running import done, run


@pytest.mark.parametrize("form", ["csv", "json"])
def test_all_of_it_goes_out_and_comes_in_again(house: None, tmp_path: Path, form: str) -> None:
    kinds = ("people", "contacts", "groups", "devices", "silences")
    done("silences add --device home --rule grid_lost --until 2030-01-01T00:00:00Z --by ann")
    done("people flags ann --sms critical=always,info=never")
    before = {kind: done(f"{kind} export") for kind in kinds}
    for kind in kinds:
        done(f"{kind} export", str(tmp_path / f"{kind}.{form}"))
    for line in ("devices remove home", "groups remove ikeja", "people remove ann"):
        done(line)
    for kind in kinds:
        done(f"{kind} import", str(tmp_path / f"{kind}.{form}"))

    assert {kind: done(f"{kind} export") for kind in kinds} == before
    assert (tmp_path / f"people.{form}").stat().st_mode & 0o077 == 0
    again = done("people import", str(tmp_path / f"people.{form}"))
    assert again.endswith("3 persons, 0 changed\n")


def test_an_import_says_the_line_that_is_wrong_and_changes_nothing(tmp_path: Path) -> None:
    def imported(name: str, text: str, kind: str = "people") -> str:
        (tmp_path / name).write_text(text)
        result = run(f"{kind} import", str(tmp_path / name))
        assert result.exit_code == 1
        return result.output.replace(f"{tmp_path}/", "")

    assert imported("a.csv", "person,zone\nann,UTC\nbob,Mars\n") == (
        "Error: a.csv:3: 'Mars' is no time zone, as Africa/Lagos; nothing was imported\n"
    )
    assert imported("b.csv", "person,color\nann,red\n").startswith(
        "Error: b.csv:2: there is no 'color'; there are person, name, language, "
    )
    assert imported("c.json", '[{"person": "ann"},\n {"name": "x"}]').startswith(
        "Error: c.json:2: person is missing; "
    )
    assert imported("d.csv", 'person,channel,address\nann,fax,"1"\n', "contacts").startswith(
        "Error: d.csv:2: channel: expected one of email, sms, push; "
    )
    contact = "person,channel,address,verified\nann,sms,+15550100,maybe\n"
    assert imported("m.csv", contact, "contacts").startswith(
        "Error: m.csv:2: verified: expected true or false; "
    )
    assert imported("n.csv", "silence,author,until,all\ns,ann,soon,yes\n", "silences").startswith(
        "Error: n.csv:2: until: expected a time with its zone, as 2026-01-15T22:00:00Z; "
    )
    assert imported("o.csv", "person;name;language\nann;Ann;en\n").startswith(
        "Error: o.csv:1: separate the columns by commas; "
    )
    assert "a list of objects is expected" in imported("e.json", '{"person": "ann"}')
    assert "a list of objects is expected" in imported("g.json", "[" * 100_000)
    assert imported("h.json", '[{"person": "ann"},\n 1]').startswith(
        "Error: h.json:2: an object is expected"
    )
    assert imported("i.csv", "person,name\nann,A\n\nann,B\n") == (
        "Error: i.csv:4: ann stands on line 2 already; nothing was imported\n"
    )
    assert imported("j.csv", "person,name,name\nann,A,B\n").startswith(
        "Error: j.csv:1: two columns are named 'name'"
    )
    assert imported("k.csv", "person,name\nann,A,B\n").startswith(
        "Error: k.csv:2: more than the header names: B"
    )
    assert imported("l.csv", f"person,name\nann,{'x' * 200_000}\n").startswith(
        "Error: l.csv:2: field larger than field limit"
    )
    assert "must end in .csv or .json" in imported("f.txt", "person\nann\n")
    assert json.loads(done("people list --json")) == []


def test_what_a_file_does_not_name_stays_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_text("person,name,zone,language\nann,Ann,Africa/Lagos,fr\n")
    done("people import", str(tmp_path / "b.csv"))
    (tmp_path / "a.csv").write_text("person,name,language\nann,Anna,\n")
    done("people import", str(tmp_path / "a.csv"))
    (ann,) = json.loads(done("people export"))
    assert (ann["name"], ann["zone"], ann["language"]) == ("Anna", "Africa/Lagos", "en")

    (tmp_path / "a.json").write_text('[{"person": "ann", "language": "fr"}]')
    done("people import", str(tmp_path / "a.json"))
    (ann,) = json.loads(done("people export"))
    assert (ann["name"], ann["zone"], ann["language"]) == ("Anna", "Africa/Lagos", "fr")


def test_what_is_written_is_for_its_owner_alone_whatever_was_there(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("")
    file.chmod(0o644)
    done("people export", str(file))

    assert file.stat().st_mode & 0o077 == 0
    assert [each.name for each in tmp_path.glob("people*")] == ["people.csv"]


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("\ufeffperson,name\r\nann,Ann\r\nbob,\r\n")

    assert done("people import --dry-run", str(file)).endswith("2 would be changed\n")
    assert json.loads(done("people list --json")) == []
    assert done("people import", str(file)).endswith("2 persons, 2 changed\n")


def test_cells_are_read_as_people_write_them(house: None, tmp_path: Path) -> None:
    (tmp_path / "devices.csv").write_text(
        'device,owners,groups\na,ann;bob,ikeja\nb,"bob, ann",\nc,ann bob,ikeja;\n'
    )
    (tmp_path / "people.csv").write_text("person,quiet\nann,off\n")
    (tmp_path / "contacts.csv").write_text(
        "person,channel,address,verified\nbob,email,b@example.com,yes\nbob,push,x,No\n"
    )
    done("devices import", str(tmp_path / "devices.csv"))
    done("people import", str(tmp_path / "people.csv"))
    done("contacts import", str(tmp_path / "contacts.csv"))

    assert [each["owners"] for each in json.loads(done("devices list --json"))[:3]] == [
        ["ann", "bob"],
        ["bob", "ann"],
        ["ann", "bob"],
    ]
    assert json.loads(done("people list --json"))[0]["quiet"] == ""
    assert "bob\temail\tb…@example.com\tverified" in done("contacts list")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            "s1,ann,2099-01-01T00:00:00Z,,,,",
            "silence s1: name a device or a group, or say all=true",
        ),
        ("s1,ann,2099-01-01T00:00:00,home,,,", "silence s1: until has no zone"),
        ('s1,"ann,2099-01-01T00:00:00Z,home,,,', "a quote is not closed"),
        ("s1,ann,2099-01-01T00:00:00Z,home,,,grid_lst", "there is no rule grid_lst; there are "),
    ],
)
def test_a_silence_that_nobody_means_is_not_taken_in(
    house: None, tmp_path: Path, row: str, sentence: str
) -> None:
    file = tmp_path / "silences.csv"
    file.write_text(f"silence,author,until,device,group,all,rule\n{row}\n")
    result = run("silences import", str(file))

    assert result.exit_code == 1
    assert f"{file}:2: {sentence}" in result.output
    assert json.loads(done("silences export")) == []


def test_a_silence_that_is_over_by_now_keeps_no_other_out(house: None, tmp_path: Path) -> None:
    file = tmp_path / "silences.csv"
    over, lasting = ("s1,ann,2020-01-01T00:00:00Z,home", "s2,ann,2099-01-01T00:00:00Z,home")
    file.write_text(f"silence,author,until,device\n{over}\n{lasting}\n")

    said = done("silences import", str(file))

    assert "1 silence over already, left out" in said
    assert [each["silence"] for each in json.loads(done("silences export"))] == ["s2"]


def test_a_silence_that_is_over_is_not_written(house: None) -> None:
    past = Silence(silence="s1", until=datetime(2020, 1, 1, tzinfo=UTC), author="ann", all=True)
    with directory() as opened:
        lasting = datetime(2099, 1, 1, tzinfo=UTC)
        opened.put(past, msgspec.structs.replace(past, silence="s2", until=lasting))

    assert [each["silence"] for each in json.loads(done("silences export"))] == ["s2"]


def test_a_file_that_cannot_be_written_is_named_itself() -> None:
    assert run("people export /nonexist/x.csv").output == (
        "Error: /nonexist/x.csv: No such file or directory\n"
    )
    needed = done("contacts import --help")
    assert "person, channel, address, and perhaps verified" in " ".join(needed.split())
