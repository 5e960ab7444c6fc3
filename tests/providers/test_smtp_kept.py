"""Connections are kept between calls, and given up when they are of no use."""

import asyncio

from app.providers.provider import Verdict
from tests.providers.smtp_peers import HANG, peer
from tests.providers.smtp_texts import a_text, texts_to
from tests.providers.test_smtp import SENT, to, verdicts


def test_the_next_call_uses_the_same_connection() -> None:
    async def run() -> None:
        async with peer() as server:
            smtp = to(server)
            for _ in range(3):
                assert verdicts(await smtp.send([a_text()])) == [SENT]
            await smtp.close()

            assert server.begun == 1
            assert server.commands[-1] == "QUIT"

    asyncio.run(run())


def test_calls_side_by_side_have_connections_of_their_own_which_are_used_again() -> None:
    async def run() -> None:
        async with peer() as server:
            smtp = to(server)
            for _ in range(2):
                calls = [smtp.send(texts_to(*["a@x", "b@x", "c@x"])) for _ in range(smtp.calls)]
                answers = await asyncio.gather(*calls)
                assert [verdicts(each) for each in answers] == [[SENT] * 3] * smtp.calls
            await smtp.close()

            assert (server.begun, len(server.mails)) == (smtp.calls, 2 * 3 * smtp.calls)

    asyncio.run(run())


def test_one_that_is_idle_too_long_is_closed_politely() -> None:
    async def run() -> None:
        async with peer() as server:
            smtp = to(server, idle_s=0.0)
            assert verdicts(await smtp.send([a_text()])) == [SENT]
            await server.left.wait()
            await smtp.close()

            assert server.commands[-1] == "QUIT"

    asyncio.run(run())


def test_one_that_broke_while_idle_is_replaced_unnoticed() -> None:
    async def run() -> None:
        async with peer() as server:
            smtp = to(server)
            assert verdicts(await smtp.send([a_text()])) == [SENT]
            for session in server.sessions:
                session.hang_up()
            assert verdicts(await smtp.send([a_text()])) == [SENT]
            await smtp.close()

            assert server.begun == 2

    asyncio.run(run())


def test_those_that_a_silent_server_left_behind_are_replaced_all_at_once() -> None:
    async def run() -> None:
        async with peer() as server:
            smtp = to(server)
            await asyncio.gather(*(smtp.send([a_text()]) for _ in range(5)))
            server.faults["RSET"] = HANG
            assert verdicts(await smtp.send([a_text()])) == [SENT]
            await smtp.close()

            assert (server.begun, server.commands.count("RSET")) == (6, 1)

    asyncio.run(run())


def test_a_cancelled_call_leaves_no_half_mail_behind() -> None:
    async def run() -> None:
        async with peer({"END": HANG}) as server:
            smtp = to(server)
            call = asyncio.create_task(smtp.send([a_text()]))
            await server.told.wait()
            call.cancel()
            await asyncio.wait([call])
            assert call.cancelled()
            await server.left.wait()
            server.faults.clear()

            assert verdicts(await smtp.send([a_text()])) == [SENT]
            assert (server.begun, len(server.mails)) == (2, 1)
            await smtp.close()

    asyncio.run(run())


def test_a_connection_that_is_in_use_at_the_close_is_not_kept() -> None:
    async def run() -> None:
        async with peer({"END": HANG}) as server:
            smtp = to(server)
            call = asyncio.create_task(smtp.send([a_text()]))
            await server.told.wait()
            await smtp.close()
            assert verdicts(await call) == [Verdict.UNKNOWN]
            await server.left.wait()

            assert server.open == 0

    asyncio.run(run())
