"""Is there internet? Targets are asked side by side; one right answer is enough.

A captive portal answers for everybody: what does not answer as it should counts as no answer.
HTTP is spoken here: ``http.client`` blocks, and with a thread for each target costs 1.7 MB.
"""

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import cache
from urllib.parse import urlsplit

import msgspec

from tables.link import Link, observe

WITHIN_S = 5.0
LARGEST = 16_384  # of an answer: a page that says that there is internet is short
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})\b")
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
GRAPHIC = re.compile(r"[!-~]+")  # what may stand in a request as it is written
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
    address, arrow, body = (part.strip() for part in text.partition("=>"))
    with suppress(ValueError):  # a port that is none, a bracket that is not closed
        parts = urlsplit(address)
        host, port = parts.hostname, PORTS.get(parts.scheme) if parts.port is None else parts.port
        if host and port and GRAPHIC.fullmatch(address) and bool(arrow) == bool(body):
            if parts.scheme in PORTS:
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                return Target(host, port, parts.scheme == "https", path, body)
            if parts.scheme == "tcp" and not (parts.path.strip("/") or body):
                return Target(host, port)
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
            context = trusted() if target.tls else None
            reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context)
            try:
                return target.path is None or await _right(target, reader, writer)
            finally:
                writer.transport.abort()  # TLS would wait 30 s for a goodbye that may never come
    except (OSError, TimeoutError, ValueError):  # no name, no route, no certificate, no HTTP
        return False


@cache
def trusted() -> ssl.SSLContext:
    """Return whom TLS believes, read once: that takes as long as a whole round."""
    return ssl.create_default_context()


async def _right(
    target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    writer.write(request(target))
    answer = b""
    while (right := judge(target, answer)) is None:
        more = await reader.read(LARGEST - len(answer))
        if not more:  # it ended, or is too long
            return False
        answer += more
    return right


def request(target: Target) -> bytes:
    """Return what an HTTP target is asked (RFC 9112)."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    if target.port != PORTS["https" if target.tls else "http"]:
        host += f":{target.port}"
    lines = (f"GET {target.path} HTTP/1.1", f"Host: {host}", "Connection: close", "", "")
    return "\r\n".join(lines).encode()


def judge(target: Target, answer: bytes) -> bool | None:
    """Return whether ``answer`` is the right one; None while only its rest can say."""
    head, ended, body = answer.partition(b"\r\n\r\n")
    if not ended:
        return None
    status = STATUS.match(head)
    if status is None or status[1] != (b"200" if target.body else b"204"):
        return False
    if not target.body:
        return not body
    if CHUNKED.search(head):
        body = body.partition(b"\r\n")[2]
    wanted = target.body.encode()
    if body.startswith(wanted):
        return True
    return None if wanted.startswith(body) else False


class Probe:
    """Asks for ever; what the broker acknowledges counts as an answer too.

    link: what is known now. changed: called when the internet came or went.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        every_s: float,
        changed: Callable[[bool], None],
        *,
        ask: Callable[[Sequence[Target]], Awaitable[bool]] = reachable,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Ask ``targets`` every ``every_s``; without any only the broker's word counts."""
        self.link = Link()
        self._targets = targets
        self._every_s = every_s
        self._changed = changed
        self._ask, self._sleep, self._monotonic = ask, sleep, monotonic
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
            begun_s = self._monotonic()
            answer = await self._round()
            if answer is not None:
                before, self.link = self.link, observe(self.link, ok=answer)
                if self.link.online is not None and self.link.online is not before.online:
                    self._changed(self.link.online)
            # Whoever hangs takes its time from the pause: three failures are 45 s, not 60.
            await self._sleep(max(0.0, begun_s + self._every_s - self._monotonic()))
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
            return await self._ask(self._targets)
        return False if failed else None
