"""Debian's gammu-smsd and smstools on a simulated module: started in a folder of the test's own."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

GAMMU = """\
[gammu]
device = {port}
connection = at115200

[smsd]
service = files
logfile = {folder}/log
inboxpath = {folder}/inbox/
outboxpath = {folder}/outbox/
sentsmspath = {folder}/sent/
errorsmspath = {folder}/error/
commtimeout = 1
loopsleep = 1
checksecurity = 0
"""
SMSTOOLS = """\
devices = GSM1
outgoing = {folder}/outgoing
checked = {folder}/checked
failed = {folder}/failed
incoming = {folder}/incoming
sent = {folder}/sent
logfile = {folder}/log
infofile = {folder}/info
pidfile = {folder}/pid
delaytime = 1
autosplit = 3

[GSM1]
device = {port}
incoming = yes
baudrate = 115200
"""
ENDS_WITHIN_S = 10


class Peer(Protocol):
    """A program that sends through a modem."""

    def queue(self, number: str, text: str) -> float:
        """Let it send ``text``; return the monotonic second at which it was told."""

    def received(self) -> list[str]:
        """Return the texts that it has received."""


class Gammu:
    """gammu-smsd, with files."""

    def __init__(self, folder: Path, port: Path) -> None:
        self.folder = folder
        for name in ("inbox", "outbox", "sent", "error"):
            (folder / name).mkdir()
        self._config = folder / "smsdrc"
        self._config.write_text(GAMMU.format(port=port, folder=folder))
        self.argv = ("gammu-smsd", "-c", str(self._config))

    def queue(self, number: str, text: str) -> float:
        coding = () if text.isascii() else ("-unicode",)
        command = ("gammu-smsd-inject", "-c", str(self._config), "TEXT", number, *coding)
        size = ("-len", str(len(text)))
        subprocess.run(
            (*command, *size, "-text", text), check=True, capture_output=True, timeout=30
        )
        return time.monotonic()

    def received(self) -> list[str]:
        return [file.read_text() for file in sorted((self.folder / "inbox").iterdir())]


class Smstools:
    """smstools' smsd."""

    def __init__(self, folder: Path, port: Path) -> None:
        self.folder = folder
        for name in ("outgoing", "checked", "failed", "incoming", "sent"):
            (folder / name).mkdir()
        config = folder / "smsd.conf"
        config.write_text(SMSTOOLS.format(port=port, folder=folder))
        self.argv = ("smsd", "-t", "-c", str(config))
        self._count = 0

    def queue(self, number: str, text: str) -> float:
        self._count += 1
        coding = "" if text.isascii() else "Alphabet: UTF-8\n"
        name = f"text-{self._count}"
        (self.folder / name).write_text(f"To: {number.removeprefix('+')}\n{coding}\n{text}")
        (self.folder / name).rename(self.folder / "outgoing" / name)
        return time.monotonic()

    def received(self) -> list[str]:
        found = sorted((self.folder / "incoming").iterdir())
        bodies = [file.read_bytes().partition(b"\n\n")[::2] for file in found]
        return [body.decode("utf-16-be" if b"UCS2" in head else "utf-8") for head, body in bodies]


PEERS: dict[str, type[Gammu] | type[Smstools]] = {"gammu-smsd": Gammu, "smstools": Smstools}


@contextmanager
def running(name: str, folder: Path, port: Path) -> Iterator[Peer]:
    """Run the peer called ``name`` on ``port`` in ``folder``."""
    peer = PEERS[name](folder, port)
    with subprocess.Popen(
        peer.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield peer
        finally:
            process.terminate()
            try:
                process.wait(ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
