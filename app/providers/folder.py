"""Delivers into a folder: one file for each text, in the form its channel would carry."""

import asyncio
import os
import re
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

import msgspec
import structlog

from app import private
from app.providers.provider import Answer, Outgoing, Verdict
from schemas.delivery import Channel

log = structlog.get_logger()
SUFFIXES = {Channel.EMAIL: ".eml", Channel.SMS: ".txt", Channel.PUSH: ".json"}
UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


class Folder:
    """A provider that needs nobody: its outbox is a folder."""

    at_once = 100
    calls = 2

    def __init__(self, outbox: Path) -> None:
        """Write into ``outbox``, which is made when something is first written."""
        self._outbox = outbox

    async def send(self, texts: Sequence[Outgoing]) -> list[Answer]:
        """Return what became of each of ``texts``."""
        return await asyncio.to_thread(lambda: [self._send(each) for each in texts])

    async def close(self) -> None:
        """Do nothing: nothing is held open."""

    def _send(self, text: Outgoing) -> Answer:
        try:
            return Answer(Verdict.SENT, reference=write(self._outbox, text))
        except OSError as error:
            reason = f"{self._outbox / text.channel}: {error.strerror}"
            return Answer(Verdict.RETRY, reason=reason)
        except Exception as error:  # an address that no header takes
            log.exception("text_refused", text=text.id)
            return Answer(Verdict.REFUSED, reason=repr(error))


def write(outbox: Path, text: Outgoing) -> str:
    """Write ``text`` into its channel's folder in ``outbox``; return the file's name.

    The name follows from the text, so one sent again is one file.

    Raises:
        OSError: nothing was written.
    """
    stem = f"{text.at:%Y%m%dT%H%M%SZ}-{text.rule}-{text.kind}-{text.id}"
    name = UNSAFE.sub("_", stem)[:200] + SUFFIXES[text.channel]
    folder = outbox / text.channel
    part = folder / f".{name}.part"
    private.make_folder(outbox)
    private.make_folder(folder)
    with part.open("wb") as file:
        file.write(_content(text))
        file.flush()
        os.fsync(file.fileno())
    part.rename(folder / name)
    return f"{text.channel}/{name}"


def _content(text: Outgoing) -> bytes:
    if text.channel is Channel.EMAIL:
        mail = EmailMessage()
        mail["Message-ID"] = f"<{text.id}@changeover>"
        if text.thread != text.id:
            mail["References"] = f"<{text.thread}@changeover>"
        mail["Date"] = format_datetime(text.at)
        mail["From"] = "changeover@localhost"
        mail["To"] = text.address
        mail["Subject"] = text.subject
        mail.set_content(text.text)
        return bytes(mail)
    if text.channel is Channel.SMS:
        return f"To: {text.address}\n\n{text.text}\n".encode()
    notification = {"title": text.subject, "body": text.text}
    push = {"token": text.address, "notification": notification}
    return msgspec.json.format(msgspec.json.encode({"message": push})) + b"\n"
