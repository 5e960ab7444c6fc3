"""Who answers, and who only seems to: real servers on loopback, right and wrong ones."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import internet
from edge.internet import Target, judge, parse_target, reachable, request

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

RIGHT = b"HTTP/1.1 204 No Content\r\n\r\n"
PATIENCE_S = 10.0  # longer than any test takes, shorter than TLS waits for a goodbye
LONG_S = 60.0  # whatever is given so long to answer fails its test if it takes it


class Server:
    """One on loopback that says ``pieces`` when asked. open: how many connections it has."""

    def __init__(self, *pieces: bytes, closes: bool = False, endless: bool = False) -> None:
        self.pieces, self.closes, self.endless = pieces, closes, endless
        self.open = self.port = 0
        self.asked, self.left = asyncio.Event(), asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.asked.set()
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            writer.transport.abort()
            self.open -= 1
            self.left.set()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.pieces:
            await reader.readuntil(b"\r\n\r\n")
        for piece in self.pieces:
            await self._send(writer, piece)
        while self.endless:
            await self._send(writer, b"x" * 1_000)
        if self.closes:
            writer.close()
        else:
            await reader.read()

    async def _send(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)  # what comes next is another piece on the wire


@asynccontextmanager
async def serving(*servers: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack, asyncio.timeout(PATIENCE_S):
        for server in servers:
            listening = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=tls)
            server.port = listening.sockets[0].getsockname()[1]
            await stack.enter_async_context(listening)
        yield


def asked(server: Server, body: str = "", within_s: float = LONG_S) -> bool:
    async def run() -> bool:
        async with serving(server):
            target = Target("127.0.0.1", server.port, path="/generate_204", body=body)
            return await reachable([target], within_s)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "body", "right"),
    [
        (RIGHT, "", True),
        (b"HTTP/1.0 200 OK\r\n\r\nsuccess\n", "success", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nsuccess\r\n0\r\n\r\n", "succ",
         True),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding:chunked\r\n\r\n7\r\nsuccess\r\n", "success", True),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>Welcome! Please sign in", "", False),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>Welcome! Please sign in", "success", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n<html>", "", False),
        (b"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n", "", False),
        (b"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\nsuccess", "success", False),
        (b"HTTP/1.1 503 Busy\r\n\r\n", "", False),
        (b"HTTP/1.1 511 Network Authentication Required\r\n\r\nsuccess", "success", False),
        (b"\x00\xff rubbish\r\n\r\n", "", False),
    ],
)  # fmt: skip
def test_only_the_right_answer_is_one_also_when_its_server_never_closes(
    answer: bytes, body: str, right: bool
) -> None:
    assert asked(Server(answer), body) is right


@pytest.mark.parametrize("answer", [b"", b"\x00\xff rubbish", b"HTTP/1.1 204 No", RIGHT[:-2]])
def test_an_answer_that_is_cut_off_is_none(answer: bytes) -> None:
    assert asked(Server(answer, closes=True)) is False


def test_a_body_may_come_slowly_and_need_not_end() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"

    assert asked(Server(head, b"suc", b"cess"), "success") is True
    assert asked(Server(head, b"suc", closes=True), "success") is False


def test_whoever_hangs_is_no_answer() -> None:
    assert asked(Server(), within_s=0.05) is False


@pytest.mark.parametrize(
    "begin", [b"HTTP", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]
)
def test_an_answer_without_an_end_is_given_up(begin: bytes) -> None:
    assert asked(Server(begin, endless=True), "success") is False


@given(st.sampled_from([b"", b"Server: x\r\n"]), st.binary(max_size=12), st.integers(0, 60))
def test_what_was_judged_stays_so_however_the_answer_is_split(
    header: bytes, body: bytes, cut: int
) -> None:
    target = Target("a", 80, path="/", body="ok")
    answer = b"HTTP/1.1 200 OK\r\n" + header + b"\r\n" + body

    assert judge(target, answer[:cut]) in {None, judge(target, answer)}


def test_a_plain_connection_is_an_answer_and_a_refused_one_is_none() -> None:
    async def run() -> list[bool]:
        server = Server()
        async with serving(server):
            there = await reachable([Target("127.0.0.1", server.port)])
        return [there, await reachable([Target("127.0.0.1", server.port)])]

    assert asyncio.run(run()) == [True, False]


def test_a_name_that_nobody_knows_is_no_answer() -> None:
    assert asyncio.run(reachable([Target("a..invalid", 80, path="/")])) is False


def test_nobody_to_ask_is_no_answer() -> None:
    assert asyncio.run(reachable([])) is False


def test_one_right_answer_is_enough_and_closes_the_others() -> None:
    async def run() -> tuple[bool, int]:
        slow, right = Server(), Server(RIGHT)
        async with serving(slow, right):
            ports = [slow.port, right.port]
            found = await reachable([Target("127.0.0.1", port, path="/") for port in ports], LONG_S)
            await slow.left.wait()
            await right.left.wait()
        return found, slow.open + right.open

    assert asyncio.run(run()) == (True, 0)


def test_asking_that_is_cancelled_leaves_no_connection() -> None:
    async def run() -> int:
        slow = Server()
        async with serving(slow):
            target = Target("127.0.0.1", slow.port, path="/")
            asking = asyncio.create_task(reachable([target], LONG_S))
            await slow.asked.wait()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await slow.left.wait()
        return slow.open

    assert asyncio.run(run()) == 0


@pytest.fixture(scope="session", name="certificate")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate of 127.0.0.1 with its key, made for this run alone."""
    folder = tmp_path_factory.mktemp("certificate")
    made, key, both = folder / "made", folder / "key", folder / "both.pem"
    subject = ("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    files = ("-keyout", str(key), "-out", str(made))
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2")
    subprocess.run((*command, *subject, *files), check=True, capture_output=True, timeout=60)
    both.write_bytes(key.read_bytes() + made.read_bytes())
    return both


@pytest.fixture
def vouched(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """Yield the TLS of a server that is believed."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    internet.trusted.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    yield context
    internet.trusted.cache_clear()


def asked_by_tls(context: ssl.SSLContext, *servers: Server, within_s: float) -> bool:
    async def run() -> bool:
        async with serving(*servers, tls=context):
            targets = [Target("127.0.0.1", each.port, tls=True, path="/") for each in servers]
            return await reachable(targets, within_s)

    return asyncio.run(run())


def test_tls_answers_when_its_certificate_is_believed(vouched: ssl.SSLContext) -> None:
    assert asked_by_tls(vouched, Server(RIGHT), within_s=LONG_S) is True


def test_a_portal_with_a_certificate_of_its_own_is_no_answer(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    assert asked_by_tls(context, Server(RIGHT), within_s=LONG_S) is False


class Deaf(Server):
    """Answers, and hears no goodbye."""

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        for piece in self.pieces:
            await self._send(writer, piece)
        await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize(("pieces", "right"), [((RIGHT,), True), ((), False)])
def test_nobody_waits_for_a_goodbye(
    vouched: ssl.SSLContext, pieces: Sequence[bytes], right: bool
) -> None:
    assert asked_by_tls(vouched, Deaf(*pieces), within_s=0.2) is right


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("tcp://1.1.1.1:53", Target("1.1.1.1", 53)),
        ("tcp://[2001:db8::1]:53/", Target("2001:db8::1", 53)),
        ("http://a.example/204", Target("a.example", 80, path="/204")),
        ("https://a.example", Target("a.example", 443, tls=True, path="/")),
        ("http://a:81/x?y=z=>OK", Target("a", 81, path="/x?y=z", body="OK")),
        (" http://a/x => It is so ", Target("a", 80, path="/x", body="It is so")),
    ],
)
def test_targets_are_read(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text",
    [
        "", "1.1.1.1", "tcp://1.1.1.1", "tcp://a:b", "tcp://a:0", "tcp://a:1/x", "tcp://a:1=>OK",
        "ftp://a", "http://", "http://a:b/", "http://a:0/", "http://a:99999/", "http://[::1",
        "http://a/x y", "http://a/ü", "http://a/=>",
    ],
)  # fmt: skip
def test_what_is_no_target_is_refused_with_what_would_be_one(text: str) -> None:
    with pytest.raises(ValueError, match="as in tcp://"):
        parse_target(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("http://a.example/x?y", b"a.example"),
        ("http://a.example:443/x?y", b"a.example:443"),
        ("https://a.example/x?y", b"a.example"),
        ("http://[2001:db8::1]:81/x?y", b"[2001:db8::1]:81"),
    ],
)
def test_a_server_is_asked_by_the_name_it_has(text: str, host: bytes) -> None:
    asks = b"GET /x?y HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n"

    assert request(parse_target(text)) == asks
