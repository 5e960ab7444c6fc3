"""Is there internet? Targets are asked side by side; one right answer is enough.

A captive portal answers for everybody: what does not answer as it should counts as no answer.
"""

import asyncio
import re
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from urllib.parse import urlsplit

import msgspec

from tables.link import Link, observe

WITHIN_S = 5.0
LARGEST = 16_384  # of an answer: a page that says that there is internet is short
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")
PORTS = {"http": 80, "https": 443}
EXAMPLES = "tcp://1.1.1.1:53, http://example.com/generate_204, or http://example.com/ok.txt=>OK"


class Target(msgspec.Struct, frozen=True):
    """What is asked. path: None is no HTTP: that it connects is the answer.

    body: what the answer must begin with; empty: it must be 204, without any.
    """

    host: str
    port: int
    tls: bool = False
    path: str | None = None
    body: str = ""


def parse_target(text: str) -> Target:
    """Return the target that ``text`` names: ``tcp://host:port``, or ``http(s)://host/path``.

    An HTTP target answers 204 without a body; or 200 with a body that begins as after ``=>``.

    Raises:
        ValueError: it names none; the sentence says what would be right.
    """
    address, _, body = text.partition("=>")
    parts = urlsplit(address.strip())
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.hostname and parts.scheme == "tcp" and port and not body:
        return Target(parts.hostname, port)
    if parts.hostname and parts.scheme in PORTS:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        secure = parts.scheme == "https"
        return Target(parts.hostname, port or PORTS[parts.scheme], secure, path, body.strip())
    raise ValueError(f"internet.targets: {text!r} is none, as in {EXAMPLES}")


async def reachable(targets: Sequence[Target], within_s: float = WITHIN_S) -> bool:
    """Return whether any of ``targets`` answers rightly within ``within_s``."""
    asking = [asyncio.create_task(_answers(target, within_s)) for target in targets]
    try:
        for answer in asyncio.as_completed(asking):
            if await answer:
                return True
        return False
    finally:
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


async def _answers(target: Target, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            context = ssl.create_default_context() if target.tls else None
            reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context)
            try:
                return target.path is None or await _right(target, reader, writer)
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError, ValueError):  # no name, no route, no certificate, no HTTP
        return False


async def _right(
    target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    request = f"GET {target.path} HTTP/1.1\r\nHost: {target.host}\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    answer = b""
    while len(answer) < LARGEST and (more := await reader.read(LARGEST - len(answer))):
        answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    status = STATUS.match(head)
    if status is None:
        return False
    if not target.body:
        return status[1] == b"204" and not body
    if b"transfer-encoding: chunked" in head.lower():
        body = body.partition(b"\r\n")[2]
    return status[1] == b"200" and body.startswith(target.body.encode())


class Probe:
    """Asks for ever; what the broker acknowledges counts as an answer too.

    link: what is known now. changed: called when the internet came or went.
    """

    def __init__(
        self, targets: Sequence[Target], every_s: float, changed: Callable[[bool], None]
    ) -> None:
        """Ask ``targets`` every ``every_s``; without any only the broker's word counts."""
        self.link = Link()
        self._targets = targets
        self._every_s = every_s
        self._changed = changed
        self._acknowledged = False
        self._failed = False
        self._said = asyncio.Event()

    def acknowledged(self) -> None:
        """Take note that the broker has taken something."""
        self._acknowledged = True
        self._said.set()

    def failed(self) -> None:
        """Take note that the broker cannot be reached."""
        self._failed = True
        self._said.set()

    async def run(self) -> None:
        """Ask for ever."""
        while True:
            answer = await self._round()
            if answer is not None:
                before, self.link = self.link, observe(self.link, ok=answer)
                if self.link.online is not None and self.link.online is not before.online:
                    self._changed(self.link.online)
            await asyncio.sleep(self._every_s)
            if not self._targets:  # nobody to ask: sleep until the broker says something
                await self._said.wait()

    async def _round(self) -> bool | None:
        """Return whether there was internet since the last round; None: nothing says so."""
        acknowledged, failed = self._acknowledged, self._failed
        self._acknowledged = self._failed = False
        self._said.clear()
        if acknowledged:
            return True
        if self._targets:
            return await reachable(self._targets)
        return False if failed else None
