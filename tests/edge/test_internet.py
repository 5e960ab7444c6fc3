"""Who answers, and who only seems to: real servers on loopback, right and wrong ones."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from edge.internet import Probe, Target, parse_target, reachable

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def saying(answer: bytes) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    return handle


async def hanging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not reader.at_eof():
            writer.write(b"x" * 10_000)
            await writer.drain()
            await asyncio.sleep(0)
    except OSError:
        writer.close()


def asked(handler: Handler, body: str = "", within_s: float = 0.5) -> bool:
    async def run() -> bool:
        server = await asyncio.start_server(handler, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            target = Target("127.0.0.1", port, path="/generate_204", body=body)
            return await reachable([target], within_s)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "body", "right"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", "", True),
        (b"HTTP/1.0 200 OK\r\n\r\nsuccess\n", "success", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nsuccess\r\n0\r\n\r\n", "succ",
         True),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>Welcome! Please sign in", "", False),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>Welcome! Please sign in", "success", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n<html>", "", False),
        (b"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n", "", False),
        (b"HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\nsuccess", "success", False),
        (b"HTTP/1.1 503 Busy\r\n\r\n", "", False),
        (b"\x00\xff rubbish", "", False),
        (b"", "", False),
    ],
)  # fmt: skip
def test_only_the_right_answer_is_one(answer: bytes, body: str, right: bool) -> None:
    assert asked(saying(answer), body) is right


def test_whoever_hangs_or_never_ends_is_no_answer() -> None:
    assert asked(hanging, within_s=0.1) is False
    assert asked(endless, "success") is False


def test_a_plain_connection_is_an_answer_and_a_refused_one_is_none() -> None:
    async def run() -> list[bool]:
        server = await asyncio.start_server(hanging, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            there = await reachable([Target("127.0.0.1", port)], 1)
        return [there, await reachable([Target("127.0.0.1", port)], 1)]

    assert asyncio.run(run()) == [True, False]


def test_one_right_answer_is_enough_and_closes_the_others() -> None:
    async def run() -> tuple[bool, int]:
        closed = 0

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal closed
            await reader.read()
            closed += 1
            writer.close()

        right = saying(b"HTTP/1.1 204 No Content\r\n\r\n")
        servers = [await asyncio.start_server(each, "127.0.0.1", 0) for each in (slow, right)]
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        found = await reachable([Target("127.0.0.1", port, path="/") for port in ports], 5)
        while not closed:
            await asyncio.sleep(0.01)
        for server in servers:
            server.close()
        return found, closed

    assert asyncio.run(run()) == (True, 1)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("tcp://1.1.1.1:53", Target("1.1.1.1", 53)),
        ("http://a.example/204", Target("a.example", 80, path="/204")),
        ("https://a.example", Target("a.example", 443, tls=True, path="/")),
        ("http://a:81/x?y=z=>OK", Target("a", 81, path="/x?y=z", body="OK")),
    ],
)
def test_targets_are_read(text: str, target: Target) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    "text", ["", "1.1.1.1", "tcp://1.1.1.1", "ftp://a", "http://", "tcp://a:b"]
)
def test_what_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="as in tcp://"):
        parse_target(text)


def test_the_brokers_word_counts_and_silence_says_nothing() -> None:
    async def run() -> list[bool]:
        seen = list[bool]()
        probe = Probe([], 0.001, seen.append)
        running = asyncio.create_task(probe.run())
        await asyncio.sleep(0.02)
        assert probe.link.online is None
        probe.acknowledged()
        while not seen:
            await asyncio.sleep(0.001)
        while len(seen) < 2:
            probe.failed()
            await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return seen

    assert asyncio.run(run()) == [True, False]
