"""The directory's tables go up and down, and what people entered comes along."""

import threading
from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from app import database
from app.directory import Contact, Device, Directory, Person, migrate
from app.directory.models import Base
from schemas.decision import Severity
from schemas.delivery import Channel
from tests.people import home_of, somebody

BEFORE = (  # as it was before there were migrations, with what people had entered
    "CREATE TABLE person (id VARCHAR PRIMARY KEY, name VARCHAR NOT NULL)",
    "CREATE TABLE contact (id INTEGER PRIMARY KEY, person_id VARCHAR NOT NULL REFERENCES person(id)"
    " ON DELETE CASCADE, channel VARCHAR NOT NULL, address VARCHAR NOT NULL, enabled BOOLEAN NOT "
    "NULL, UNIQUE (person_id, channel, address))",
    "CREATE TABLE device (name VARCHAR PRIMARY KEY)",
    "CREATE TABLE owner (device_name VARCHAR REFERENCES device(name) ON DELETE CASCADE, "
    "person_id VARCHAR REFERENCES person(id) ON DELETE CASCADE, PRIMARY KEY (device_name, "
    "person_id))",
    "CREATE TABLE revision (id INTEGER PRIMARY KEY, number INTEGER NOT NULL)",
    "INSERT INTO person VALUES ('ann', 'Ann'), ('bob', 'Bob')",
    "INSERT INTO contact VALUES (1, 'ann', 'sms', '+15550100', true), "
    "(2, 'bob', 'sms', '+15550101', false), (3, 'bob', 'email', 'bob@example.com', true)",
    "INSERT INTO device VALUES ('home')",
    "INSERT INTO owner VALUES ('home', 'ann'), ('home', 'bob')",
)


@pytest.fixture(name="engine")
def _engine(url: str) -> Iterator[Engine]:
    engine = database.engine(url)
    yield engine
    engine.dispose()


def enter(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        options = {"version_table": migrate.VERSIONS, "target_metadata": Base.metadata}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, Base.metadata))


def test_the_migrations_make_what_the_models_say(engine: Engine) -> None:
    migrate.upgrade(engine)

    assert differences(engine) == []
    assert migrate.versions(engine) == ("0002", "0002")


def test_each_step_goes_up_and_down_again(engine: Engine) -> None:
    for version in ("0001", "head"):
        migrate.upgrade(engine, version)
    for version in ("0001", "base"):
        migrate.downgrade(engine, version)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == [migrate.VERSIONS]
    migrate.upgrade(engine)

    assert differences(engine) == []


def test_what_was_entered_before_there_were_versions_is_taken_along(
    engine: Engine, url: str
) -> None:
    enter(engine, *BEFORE)
    directory = Directory(url)

    assert directory.all(Device) == [home_of("ann", "bob")]
    assert [(each.person, each.sms, each.email) for each in directory.all(Person)] == [
        ("ann", "always", "always"),
        ("bob", "never", "always"),
    ]
    assert all(each.verified for each in directory.all(Contact))
    reach = directory.snapshot().reach("home", Severity.WARNING, tuple(Channel))
    assert sorted(each.to.address for each in reach) == ["+15550100", "bob@example.com"]
    directory.put(Person(person="eve"))
    assert directory.revision() == 1
    directory.close()


def test_one_address_that_was_off_leaves_the_others_of_its_channel_on(
    engine: Engine, url: str
) -> None:
    enter(engine, *BEFORE, "INSERT INTO contact VALUES (4, 'bob', 'sms', '+15550102', true)")
    directory = Directory(url)
    reach = directory.snapshot().reach("home", Severity.WARNING, tuple(Channel))

    assert [each.person for each in directory.all(Person) if each.sms == "never"] == []
    assert sorted(each.to.address for each in reach if each.to.channel is Channel.SMS) == [
        "+15550100",
        "+15550102",
    ]
    directory.close()


def test_going_back_turns_off_what_is_suppressed_and_is_noticed(engine: Engine, url: str) -> None:
    directory = Directory(url)
    directory.put(*somebody("ann", sms="+15550100", email="ann@example.com"))
    directory.suppress(Channel.SMS, "+15550100", "opted out", 4 * 10**12)
    revision = directory.revision()
    migrate.downgrade(engine, "0001")
    with engine.connect() as connection:
        contacts = connection.execute(text("SELECT channel, enabled FROM contact"))
        enabled = {channel: bool(on) for channel, on in contacts}
    migrate.upgrade(engine)

    assert enabled == {"email": True, "sms": False}
    assert directory.revision() == revision + 2
    directory.close()


def test_going_back_keeps_owners_and_their_addresses(engine: Engine, url: str) -> None:
    directory = Directory(url)
    flags = {"sms": "never", "email": "critical=always"}
    directory.put(
        *somebody("ann", sms="+15550100", email="ann@example.com", flags=flags),
        Contact(person="ann", channel=Channel.PUSH, address="not-verified"),
        *somebody("bob", push="token"),
        Device(device="home", owners=("ann",), watchers=("bob",)),
    )
    migrate.downgrade(engine, "0001")
    with engine.connect() as connection:
        contacts = connection.execute(text("SELECT person_id, channel, enabled FROM contact"))
        kept = [(person, channel, bool(enabled)) for person, channel, enabled in contacts]
        owners = connection.execute(text("SELECT device_name, person_id FROM owner")).all()

    assert sorted(kept) == [("ann", "email", True), ("ann", "sms", False), ("bob", "push", True)]
    assert owners == [("home", "ann")]
    migrate.upgrade(engine)
    assert directory.all(Device) == [home_of("ann")]
    directory.close()


def test_a_later_version_is_refused_and_left_as_it_is(engine: Engine, url: str) -> None:
    Directory(url).close()
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {migrate.VERSIONS} SET version_num = '9999'"))  # noqa: S608
    with pytest.raises(database.DatabaseError, match="of another version than this program"):
        Directory(url)
    with engine.begin() as connection:
        connection.execute(text("SELECT id FROM person"))


def test_programs_that_start_together_take_turns(url: str) -> None:
    def start() -> None:
        directory = Directory(url)
        started.append(directory.revision())
        directory.close()

    started: list[int] = []
    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert started == [0] * 4
