"""Delivers into a folder: one file for each message, in the form its channel would carry."""

import os
import re
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

import msgspec

from schemas.delivery import Channel, Message

SUFFIXES = {Channel.EMAIL: ".eml", Channel.SMS: ".txt", Channel.PUSH: ".json"}
UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


class FolderError(Exception):
    """The message could not be written; the sentence says where and why. It may be tried again."""


def deliver(outbox: Path, message: Message) -> str:
    """Write ``message`` into its channel's folder in ``outbox``; return the file's name.

    The name follows from the message, so one delivered again is one file.

    Raises:
        FolderError: nothing was delivered.
    """
    stem = f"{message.at:%Y%m%dT%H%M%SZ}-{message.rule}-{message.kind}-{message.id}"
    name = UNSAFE.sub("_", stem)[:200] + SUFFIXES[message.channel]
    folder = outbox / message.channel
    part = folder / f".{name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(_content(message))
            file.flush()
            os.fsync(file.fileno())
        part.rename(folder / name)
    except OSError as error:
        raise FolderError(f"{folder}: {error.strerror}") from error
    return f"{message.channel}/{name}"


def _content(message: Message) -> bytes:
    if message.channel is Channel.EMAIL:
        mail = EmailMessage()
        mail["Message-ID"] = f"<{message.id}@changeover>"
        mail["Date"] = format_datetime(message.at)
        mail["From"] = "changeover@localhost"
        mail["To"] = message.address
        mail["Subject"] = message.subject
        mail.set_content(message.text)
        return bytes(mail)
    if message.channel is Channel.SMS:
        return f"To: {message.address}\n\n{message.text}\n".encode()
    notification = {"title": message.subject, "body": message.text}
    push = {"token": message.address, "notification": notification}
    return msgspec.json.format(msgspec.json.encode({"message": push})) + b"\n"
