"""The outbox folder: one file a message, in the form its channel would carry."""

import asyncio
import json
from email import message_from_bytes
from pathlib import Path

import msgspec

from app.providers import folder
from app.providers.provider import Outgoing, Verdict
from schemas.decision import Kind, Severity
from schemas.delivery import Channel
from tests.events import at

TEXT = Outgoing(
    id="1f" * 16, thread="2e" * 16, device="home", rule="lost", kind=Kind.FIRED,
    severity=Severity.WARNING, channel=Channel.EMAIL, address="ann@example.com",
    subject="[WARNING] home: lost", text="home: the grid is lost.", at=at(0), useful_until=at(60),
)  # fmt: skip


def on(channel: Channel) -> Outgoing:
    return msgspec.structs.replace(TEXT, channel=channel)


def test_an_email_is_one_with_a_stable_id(tmp_path: Path) -> None:
    name = folder.write(tmp_path, TEXT)
    mail = message_from_bytes((tmp_path / name).read_bytes())

    assert mail["Message-ID"] == f"<{TEXT.id}@changeover>"
    assert (mail["To"], mail["Subject"]) == ("ann@example.com", "[WARNING] home: lost")
    assert str(mail.get_payload()).strip() == "home: the grid is lost."


def test_an_sms_and_a_push_say_where_to_and_what(tmp_path: Path) -> None:
    sms = (tmp_path / folder.write(tmp_path, on(Channel.SMS))).read_text()
    push = json.loads((tmp_path / folder.write(tmp_path, on(Channel.PUSH))).read_text())

    assert sms == "To: ann@example.com\n\nhome: the grid is lost.\n"
    assert push["message"]["notification"]["body"] == "home: the grid is lost."


def test_an_address_that_no_header_takes_is_refused_and_holds_up_no_other(tmp_path: Path) -> None:
    bad = msgspec.structs.replace(TEXT, address="ann@[\n")

    refused, sent = asyncio.run(folder.Folder(tmp_path).send([bad, TEXT]))

    assert (refused.verdict, sent.verdict) == (Verdict.REFUSED, Verdict.SENT)
    assert len(list(tmp_path.glob("email/[!.]*"))) == 1


def test_a_message_delivered_again_is_one_file(tmp_path: Path) -> None:
    assert folder.write(tmp_path, TEXT) == folder.write(tmp_path, TEXT)
    assert len(list((tmp_path / "email").iterdir())) == 1


def test_a_name_from_a_record_stays_inside_the_folder(tmp_path: Path) -> None:
    evil = msgspec.structs.replace(TEXT, rule="../../etc/passwd")

    name = folder.write(tmp_path / "outbox", evil)

    assert (tmp_path / "outbox" / name).resolve().is_relative_to(tmp_path / "outbox" / "email")


def test_a_folder_that_cannot_be_written_is_named_and_tried_again(tmp_path: Path) -> None:
    (tmp_path / "email").write_text("in the way")

    (answer,) = asyncio.run(folder.Folder(tmp_path).send([TEXT]))

    assert (answer.verdict, answer.reason) == (Verdict.RETRY, f"{tmp_path / 'email'}: File exists")
