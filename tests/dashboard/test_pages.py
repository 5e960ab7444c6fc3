"""The read models and the pages, on a real SQLite file and what the core itself decided."""

from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from sqlalchemy import Engine
from starlette.testclient import TestClient

from app import database
from app.dashboard import projector, reading, server
from app.dashboard.models import Base
from schemas import topics
from schemas.escalation import Taken, Unanswered
from tests.dashboard.records import Topics, recently
from tests.events import at

LARGEST_PAGE = 40_000


@pytest.fixture(name="engine")
def _engine(tmp_path: Path) -> Iterator[Engine]:
    engine = database.engine(f"sqlite:///{tmp_path / 'read.db'}")
    projector.prepare(engine)
    projector.apply(engine, recently())
    yield engine
    engine.dispose()


@pytest.fixture(name="pages")
def _pages(engine: Engine) -> Iterator[TestClient]:
    with TestClient(server.create(engine)) as client:
        yield client


def everything(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every read model."""
    with engine.connect() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(table.select())), key=repr)
            for table in Base.metadata.sorted_tables
        }


def lost(engine: Engine) -> reading.Notification:
    """Return the notification that the grid was lost."""
    (found,) = (each for each in reading.fleet(engine).latest if each.rule == "grid_lost"
                and each.kind == "fired" and each.device == "ikeja-0042")  # fmt: skip
    return found


def test_firing_devices_come_first(engine: Engine) -> None:
    fleet = reading.fleet(engine)

    assert [device.name for device in fleet.devices] == ["ikeja-0042", "shop <b>&", "yaba-0007"]
    assert [each.rule for each in fleet.devices[0].firing] == [
        "battery_low",
        "grid_lost",
        "inverter_overload",
    ]
    assert (fleet.devices[0].source, fleet.devices[0].soc_pct) == ("inverter", 18.5)
    assert fleet.devices[2].firing == []
    assert (fleet.malformed, fleet.unread[0].reason) == (1, "to=moon is not a source")


def test_a_story_says_who_answered_and_who_did_not(engine: Engine, pages: TestClient) -> None:
    notification = lost(engine)
    about: dict[str, Any] = {
        "device": "ikeja-0042",
        "rule": "grid_lost",
        "episode": notification.episode,
    }
    fate: dict[str, Any] = {
        "notification": notification.id,
        "reached": True,
        "reason": "no answer within 10m",
    }
    lying = Topics()
    for second, answer in (
        (290, Unanswered(id="1" * 32, recipient="bob", **about, **fate)),
        (295, Taken(id="2" * 32, by="ann", **about)),
    ):
        lying.add(topics.NOTIFICATIONS, "ikeja-0042", answer, at(second))
    (records,) = lying.fetched.values()
    projector.apply(engine, {TopicPartition(topics.NOTIFICATIONS, 7): records})

    story = reading.story(engine, notification.id)

    assert story is not None
    assert [(each.kind, each.who) for each in story.answers] == [
        ("unanswered", "bob"),
        ("taken", "ann"),
    ]
    page = pages.get(f"/notifications/{notification.id}").text
    assert "ann sees to it" in page
    assert "bob: no answer within 10m" in page


def test_without_its_database_a_page_says_so(tmp_path: Path) -> None:
    gone = database.engine(f"sqlite:///{tmp_path / 'nowhere' / 'read.db'}")
    with TestClient(server.create(gone)) as pages:
        page, answer = pages.get("/"), pages.get("/api/v1/fleet")

    assert (page.status_code, answer.status_code) == (503, 503)
    assert "the database does not answer" in page.text
    assert "the database does not answer" in answer.json()["error"]


def test_a_story_goes_from_the_log_line_to_the_outcomes(engine: Engine) -> None:
    story = reading.story(engine, lost(engine).id)

    assert story is not None
    assert story.line is not None
    assert (story.line.log, story.line.line) == ("Transition.log", 1)
    assert story.line.text == "from=grid to=inverter"
    assert story.line.ts == story.notification.episode
    assert story.notification.origin == "transitions:0:2"
    assert [(each.recipient, each.channel, each.address) for each in story.messages] == [
        ("ann", "email", "a…@example.com"),
        ("ann", "sms", "+23…78"),
        ("bob", "push", "reg…ob"),
    ]
    assert [[step.kind for step in each.steps] for each in story.messages] == 3 * [
        ["attempt", "sent"]
    ]


def test_what_was_read_before_changes_nothing(engine: Engine) -> None:
    before = everything(engine)
    projector.apply(engine, recently())

    assert everything(engine) == before


def test_built_anew_it_is_the_same(tmp_path: Path) -> None:
    engine = database.engine(f"sqlite:///{tmp_path / 'anew.db'}")
    records = Topics().write()
    projector.prepare(engine)
    projector.apply(engine, records)
    whole = everything(engine)
    projector.prepare(engine, anew=True)
    for partition, each in records.items():
        for record in each:
            projector.apply(engine, {partition: [record]})

    assert everything(engine) == whole
    engine.dispose()


def test_the_order_in_which_topics_are_read_changes_nothing(tmp_path: Path) -> None:
    records = Topics().write()
    seen = []
    for index, order in enumerate((list(records), list(reversed(records)))):
        engine = database.engine(f"sqlite:///{tmp_path / str(index)}.db")
        projector.prepare(engine)
        for partition in order:
            projector.apply(engine, {partition: records[partition]})
        seen.append([msgspec.json.encode(each) for each in reading.fleet(engine).devices])
        engine.dispose()

    assert seen[0] == seen[1]
    assert b'"source":"inverter"' in seen[0][0]


def test_a_line_that_was_sent_again_is_one(engine: Engine) -> None:
    before = everything(engine)["read_line"]
    for partition, each in recently().items():
        for record in each:
            record.offset += 1_000
        projector.apply(engine, {partition: each})

    assert everything(engine)["read_line"] == before


def test_old_readings_are_forgotten_but_not_what_a_notification_began_with(
    engine: Engine,
) -> None:
    later = Topics(timedelta(days=3)).write()
    projector.prepare(engine, anew=True)
    for records in (Topics().write(), later):
        for partition, each in records.items():
            if records is later:
                for record in each:
                    record.offset += 1_000
            projector.apply(engine, {partition: each})
    lines = [row for row in everything(engine)["read_line"] if "probes" in row]
    begun = {each.episode for each in reading.fleet(engine).latest if each.stream == "probes"}

    assert {row[5].replace(tzinfo=UTC) for row in lines} >= begun  # type: ignore[attr-defined]


def test_a_copy_of_a_notification_is_counted(engine: Engine) -> None:
    records = Topics().write()
    for partition, each in records.items():
        for record in each:
            record.offset += 1_000
        projector.apply(engine, {partition: each})
    again = Topics().write()
    for partition, each in again.items():
        for record in each:
            record.offset += 2_000
        projector.apply(engine, {partition: each})
    copies = [each.copies for each in reading.fleet(engine).latest]

    assert set(copies) == {0, 1}


def test_every_page_is_small_guarded_and_free_of_script(pages: TestClient, engine: Engine) -> None:
    paths = ("/", "/devices/ikeja-0042", f"/notifications/{lost(engine).id}", "/devices/nowhere")
    for path in paths:
        answer = pages.get(path)
        assert len(answer.content) < LARGEST_PAGE
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert b"<script" not in answer.content


def test_text_from_devices_is_escaped(pages: TestClient) -> None:
    page = pages.get("/").text

    assert "shop &lt;b&gt;&amp;" in page
    assert "&lt;i&gt;moon&lt;/i&gt;" in page
    assert pages.get("/devices/shop%20%3Cb%3E%26").status_code == 200


def test_a_story_is_told_without_whole_addresses(pages: TestClient, engine: Engine) -> None:
    page = pages.get(f"/notifications/{lost(engine).id}").text

    assert "from=grid to=inverter" in page
    assert "the grid is lost, the load is on the inverter" in page
    assert "ann@example.com" not in page
    assert "+2348012345678" not in page


def test_the_same_is_there_as_json(pages: TestClient, engine: Engine) -> None:
    fleet = pages.get("/api/v1/fleet").json()
    story = pages.get(f"/api/v1/notifications/{lost(engine).id}").json()

    assert fleet["devices"][0]["name"] == "ikeja-0042"
    assert story["line"]["text"] == "from=grid to=inverter"
    assert pages.get("/healthz").json() == {"status": "ok"}
    assert "/api/v1/fleet" in pages.get("/openapi.json").json()["paths"]


@pytest.mark.parametrize("path", ["/devices/x", "/notifications/x", "/nothing"])
def test_what_is_not_there_is_said(pages: TestClient, path: str) -> None:
    answer = pages.get(path)

    assert answer.status_code == 404
    assert "Not here" in answer.text
    assert pages.get(f"/api/v1{path}").json()["error"]
