"""Rules on a real topic: a version is written once, a bad file not at all."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app import rules_topic
from app.cli import cli
from app.cli.rules import Known
from app.kafka import ReadError
from app.rules_topic import Rules, write
from schemas import codec
from schemas.rules import RuleVersion
from tables import rules
from tables.rules import RulesError
from tests.events import at
from tests.records import fetched

pytestmark = pytest.mark.kafka
QUIET = (
    '[[rule]]\nname = "{}"\nstream = "transitions"\nwhen = {{ field = "online", equals = false }}\n'
)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["rules", *arguments])


@pytest.fixture(name="file")
def _file(tmp_path: Path, kafka: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka)
    return tmp_path / "rules.toml"


def test_a_rule_is_applied_once_changed_and_ended(file: Path) -> None:
    file.write_text(QUIET.format("offline"))
    dry = run("apply", str(file), "--dry-run")
    first = run("apply", str(file), "--author", "ann", "--effective-from", "2026-01-01T00:00:00Z")
    again = run("apply", str(file))
    file.write_text(QUIET.format("offline") + 'for = "10m"\n')
    changed = run("apply", str(file), "--prune", "--effective-from", "2026-02-01T00:00:00Z")
    history = json.loads(run("history", "offline", "--json").output)
    listed = {each["name"]: each for each in json.loads(run("list", "--json").output)}

    assert dry.output.endswith("nothing was written: --dry-run\n")
    assert first.output == (
        "offline begins with version 1 from 2026-01-01T00:00:00Z\n"
        "for what is recorded a minute from now, or later\n"
    )
    assert again.output == "nothing changes\n"
    assert "offline changes with version 2 from 2026-02-01T00:00:00Z\n" in changed.output
    assert "battery_low ends with version 1 from 2026-02-01T00:00:00Z\n" in changed.output
    assert [(each["version"], each["from"], each["state"]) for each in history] == [
        (1, "2026-01-01T00:00:00Z", "waits"),  # for a minute after it was written
        (2, "2026-02-01T00:00:00Z", "waits"),
    ]
    assert history[0]["author"] == "ann"
    assert (listed["offline"]["for"], listed["offline"]["version"]) == ("10m", 2)
    assert "battery_low" not in listed
    assert json.loads(run("show", "battery_low", "--version", "0").output)["for"] == "0s"
    assert json.loads(run("show", "offline", "--version", "1").output)["for"] == "2m"
    assert run("show", "battery_low").exit_code == 1
    assert "no rule nobody: see" in run("history", "nobody").output
    assert "no version 9 of offline" in run("show", "offline", "--version", "9").output


def test_a_version_waits_then_holds_until_it_is_replaced() -> None:
    made = rules.parse(QUIET.format("offline"), "test")[0]
    topic = rules_topic.Written()
    for number, second, rule in ((1, 0, made), (2, 100, made), (3, 200, None)):
        value = RuleVersion(
            name="offline",
            version=number,
            effective_from=at(second),
            author="ann",
            rule=None if rule is None else rules.written(rule),
        )
        topic.add(fetched(b"offline", codec.encode(value), number, round(at(0).timestamp() * 1e3)))
    known = Known({}, topic)

    seen = [list(known.states(at(second)).values()) for second in (59, 60, 100, 200)]
    assert seen == [
        ["waits", "waits", "waits"],
        ["holds", "waits", "waits"],
        ["replaced", "holds", "waits"],
        ["replaced", "replaced", "ended"],
    ]


def test_a_bad_file_is_refused_whole(file: Path) -> None:
    before = run("history").output
    file.write_text(QUIET.format("good") + QUIET.format("bad") + 'fro = "2m"\n')

    refused = run("apply", str(file))
    assert refused.exit_code == 1
    assert f"{file}: rule bad: there is no key `fro`; `for` is meant?" in refused.output
    assert run("check", str(file)).exit_code == 1
    assert run("history").output == before


def test_a_good_file_is_checked_without_kafka(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    file.write_text(QUIET.format("good"))

    assert run("check", str(file)).output == f"{file}: 1 rule, no mistake\n"
    assert "no Kafka answers at 127.0.0.1:1" in run("list").output


def test_a_plan_is_compared_with_what_holds_at_its_instant(file: Path) -> None:
    def apply(hold: str, since: str) -> str:
        file.write_text(QUIET.format("planned") + f'for = "{hold}"\n')
        return run("apply", str(file), "--effective-from", f"{since}T00:00:00Z").output

    first, later = apply("2m", "2026-01-01"), apply("10m", "2999-01-01")
    between = apply("5m", "2026-03-01")
    listed = {each["name"]: each for each in json.loads(run("list", "--json").output)}

    assert first.startswith("planned begins with version 1")
    assert later.startswith("planned changes with version 2")
    assert "planned changes with version 3 from 2026-03-01" in between
    assert "until another is due: version 2 from 2999-01-01T00:00:00Z" in between
    assert apply("5m", "2026-03-01") == "nothing changes\n"
    assert (listed["planned"]["for"], listed["planned"]["version"]) == ("5m", 3)
    assert listed["planned"]["next"] == "version 2 from 2999-01-01T00:00:00Z"


def test_a_version_that_nobody_could_read_again_is_not_written(file: Path) -> None:
    file.write_text(QUIET.format("unwritten"))
    refused = run("apply", str(file), "--author", "a" * 201)

    assert refused.exit_code == 1
    assert "unwritten: Expected `str` of length <= 200" in refused.output
    assert run("history", "unwritten").exit_code == 1


@pytest.mark.parametrize(
    ("since", "name"), [("0001-01-01T00:00:00+05:00", "a"), ("2026-01-01T00:00:00Z", "b")]
)
def test_a_record_that_cannot_be_in_force_is_left_out(since: str, name: str) -> None:
    value = codec.encode(version(name, "ann")).replace(b"2026-01-01T00:00:00Z", since.encode())
    topic = rules_topic.Written()

    assert not topic.add(fetched(b"", value.replace(b'"name":"b","s', b'"name":"other","s'), 0))
    assert topic.versions == []


def test_the_first_appended_counts_whichever_is_read_first_and_its_instant_is_utc() -> None:
    for read in ((5, 4), (4, 5)):
        topic = rules_topic.Written()
        for offset in read:
            value = codec.encode(version("x", f"author-{offset}"))
            zoned = value.replace(b"2026-01-01T00:00:00Z", b"2026-01-01T01:00:00+01:00")
            topic.add(fetched(b"", zoned, offset))

        assert [each.author for each in topic.records] == ["author-4"]
        assert topic.versions[0].effective_from.tzinfo is UTC


def version(name: str, author: str) -> RuleVersion:
    rule = rules.written(rules.parse(QUIET.format(name), "test")[0])
    return RuleVersion(name=name, version=1, effective_from=at(0), author=author, rule=rule)


def test_of_two_that_write_one_version_the_second_is_told(kafka: str) -> None:
    asyncio.run(write(kafka, [version("contested", "ann")]))
    with pytest.raises(RulesError, match="somebody else wrote version 1 of contested"):
        asyncio.run(write(kafka, [version("contested", "bob")]))
    held = asyncio.run(rules_topic.written(kafka)).records

    assert [each.author for each in held if each.name == "contested"] == ["ann"]


def test_a_worker_follows_and_knows_when_it_has_read_all(kafka: str) -> None:
    now = 0.0

    async def follow() -> tuple[bool, bool, bool]:
        following = Rules(kafka, rules.default(), lambda: now)
        before = following.fresh
        task = asyncio.create_task(following.run())
        await write(kafka, [version("followed", "ann")])
        await following.confirmed()
        while "followed" not in held(following):
            await asyncio.sleep(0.1)
        read = following.fresh
        task.cancel()
        later(31.0)
        return before, read, following.fresh

    def later(seconds: float) -> None:
        nonlocal now
        now = seconds

    assert asyncio.run(follow()) == (False, True, False)


def held(following: Rules) -> dict[str, object]:
    newest = following.book("transitions").at((datetime.now(UTC), 2**62))
    return dict(newest.of("home").rules)


def test_a_worker_without_a_broker_never_decides() -> None:
    nowhere = Rules("127.0.0.1:1", rules.default(), lambda: 0.0)

    async def wait() -> None:
        task = asyncio.create_task(nowhere.run())
        try:
            await asyncio.wait_for(nowhere.confirmed(), 1)
        finally:
            task.cancel()

    with pytest.raises(TimeoutError):
        asyncio.run(wait())
    with pytest.raises(ReadError):
        asyncio.run(write("127.0.0.1:1", [version("x", "ann")]))
