"""The outbox folder: one file a message, in the form its channel would carry."""

import json
from email import message_from_bytes
from pathlib import Path

import msgspec
import pytest

from app.providers import folder
from schemas.decision import Kind, Severity
from schemas.delivery import Channel, Message
from tests.events import at

MESSAGE = Message(
    id="1f" * 16, notification="n", device="home", rule="lost", kind=Kind.FIRED,
    severity=Severity.WARNING, recipient="ann", channel=Channel.EMAIL, address="ann@example.com",
    subject="[WARNING] home: lost", text="home: the grid is lost.", at=at(0), useful_until=at(60),
)  # fmt: skip


def on(channel: Channel) -> Message:
    return msgspec.structs.replace(MESSAGE, channel=channel)


def test_an_email_is_one_with_a_stable_id(tmp_path: Path) -> None:
    name = folder.deliver(tmp_path, MESSAGE)
    mail = message_from_bytes((tmp_path / name).read_bytes())

    assert mail["Message-ID"] == f"<{MESSAGE.id}@changeover>"
    assert (mail["To"], mail["Subject"]) == ("ann@example.com", "[WARNING] home: lost")
    assert str(mail.get_payload()).strip() == "home: the grid is lost."


def test_an_sms_and_a_push_say_where_to_and_what(tmp_path: Path) -> None:
    sms = (tmp_path / folder.deliver(tmp_path, on(Channel.SMS))).read_text()
    push = json.loads((tmp_path / folder.deliver(tmp_path, on(Channel.PUSH))).read_text())

    assert sms == "To: ann@example.com\n\nhome: the grid is lost.\n"
    assert push["message"]["notification"]["body"] == "home: the grid is lost."


def test_an_address_that_no_header_takes_is_not_delivered(tmp_path: Path) -> None:
    with pytest.raises((AttributeError, ValueError)):
        folder.deliver(tmp_path, msgspec.structs.replace(MESSAGE, address="ann@[\n"))

    assert list(tmp_path.glob("email/[!.]*")) == []


def test_a_message_delivered_again_is_one_file(tmp_path: Path) -> None:
    assert folder.deliver(tmp_path, MESSAGE) == folder.deliver(tmp_path, MESSAGE)
    assert len(list((tmp_path / "email").iterdir())) == 1


def test_a_name_from_a_record_stays_inside_the_folder(tmp_path: Path) -> None:
    evil = msgspec.structs.replace(MESSAGE, rule="../../etc/passwd")

    name = folder.deliver(tmp_path / "outbox", evil)

    assert (tmp_path / "outbox" / name).resolve().is_relative_to(tmp_path / "outbox" / "email")


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "email").write_text("in the way")

    with pytest.raises(folder.FolderError, match="email"):
        folder.deliver(tmp_path, MESSAGE)
