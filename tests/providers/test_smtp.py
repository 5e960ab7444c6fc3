"""Email by a mail server: what becomes of each text, whatever goes wrong at whichever step."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from email import message_from_bytes

import pytest
from aiosmtpd.smtp import Envelope

from app.providers.provider import Answer, Provider, Verdict
from app.providers.smtp import Smtp
from app.providers.smtp_answers import Step, broke
from app.providers.smtp_server import read_server
from tests.providers.smtp_peers import DROP, HANG, Peer, peer
from tests.providers.smtp_texts import a_text, texts_to

SENT, RETRY, REFUSED = Verdict.SENT, Verdict.RETRY, Verdict.REFUSED
UNKNOWN, DOWN = Verdict.UNKNOWN, Verdict.DOWN
PATIENCE_S = 1.0  # until a server that hangs is given up; one that does not answers far sooner
GONE = True

# What is said to the fault, and whether the address is dead.
FAULTS: dict[str, tuple[Mapping[str, str], Verdict, bool, str]] = {
    "greeting later": ({"GREETING": "421 4.3.2 busy"}, RETRY, False, "greeting: 421 4.3.2 busy"),
    "greeting never": ({"GREETING": "554 5.7.1 no"}, DOWN, False, "greeting: 554 5.7.1 no"),
    "greeting drop": ({"GREETING": DROP}, RETRY, False, "connecting"),
    "greeting hang": ({"GREETING": HANG}, RETRY, False, "connecting: no answer in time"),
    "greeting garbage": ({"GREETING": "HTTP/1.1 400 Bad"}, RETRY, False, "HTTP/1.1"),
    "EHLO later": ({"EHLO": "451 4.3.0 later"}, RETRY, False, "EHLO: 451 4.3.0 later"),
    "EHLO never": ({"EHLO": "502 5.5.1 what?"}, DOWN, False, "EHLO: 502 5.5.1 what?"),
    "EHLO drop": ({"EHLO": DROP}, RETRY, False, "EHLO"),
    "EHLO hang": ({"EHLO": HANG}, RETRY, False, "EHLO: no answer in time"),
    "MAIL later": ({"MAIL": "452 4.3.1 full"}, RETRY, False, "MAIL: 452 4.3.1 full"),
    "MAIL closing": ({"MAIL": "421 4.7.0 too many"}, RETRY, False, "MAIL: 421 4.7.0 too many"),
    "MAIL never": ({"MAIL": "550 5.7.1 no"}, REFUSED, False, "MAIL: 550 5.7.1 no"),
    "MAIL sign in": ({"MAIL": "530 5.7.0 sign in"}, DOWN, False, "MAIL: 530 5.7.0 sign in"),
    "MAIL drop": ({"MAIL": DROP}, RETRY, False, "MAIL"),
    "MAIL hang": ({"MAIL": HANG}, RETRY, False, "MAIL: no answer in time"),
    "MAIL garbage": ({"MAIL": "what"}, RETRY, False, "MAIL: Malformed"),
    "RCPT later": ({"RCPT": "450 4.2.1 grey"}, RETRY, False, "RCPT: 450 4.2.1 grey"),
    "RCPT later, 5.1.1": ({"RCPT": "450 5.1.1 ?"}, RETRY, False, "RCPT: 450"),
    "RCPT no such": ({"RCPT": "550 5.1.1 none"}, REFUSED, GONE, "RCPT: 550 5.1.1 none"),
    "RCPT no such, lines": ({"RCPT": "550-5.1.1 none\r\n550 5.1.1 x"}, REFUSED, GONE, "none 5.1.1"),
    "RCPT moved": ({"RCPT": "550 5.1.6 moved"}, REFUSED, GONE, "RCPT: 550 5.1.6 moved"),
    "RCPT no mail there": ({"RCPT": "550 5.1.10 null"}, REFUSED, GONE, "RCPT: 550 5.1.10 null"),
    "RCPT not local": ({"RCPT": "551 elsewhere"}, REFUSED, GONE, "RCPT: 551 elsewhere"),
    "RCPT not a name": ({"RCPT": "553 what?"}, REFUSED, GONE, "RCPT: 553 what?"),
    "RCPT not a name, 5.1.3": ({"RCPT": "553 5.1.3 what?"}, REFUSED, GONE, "RCPT: 553 5.1.3"),
    "RCPT sender's fault": ({"RCPT": "553 5.7.1 not yours"}, REFUSED, False, "RCPT: 553 5.7.1"),
    "RCPT sender's domain": ({"RCPT": "550 5.1.8 sender"}, REFUSED, False, "RCPT: 550 5.1.8"),
    "RCPT unexplained": ({"RCPT": "550 no"}, REFUSED, False, "RCPT: 550 no"),
    "RCPT another's code": ({"RCPT": "550 5.1.11 no"}, REFUSED, False, "RCPT: 550 5.1.11 no"),
    "RCPT full": ({"RCPT": "552 5.2.2 full"}, REFUSED, False, "RCPT: 552 5.2.2 full"),
    "RCPT sign in": ({"RCPT": "530 5.7.0 TLS first"}, DOWN, False, "RCPT: 530 5.7.0 TLS first"),
    "RCPT drop": ({"RCPT": DROP}, RETRY, False, "RCPT"),
    "RCPT hang": ({"RCPT": HANG}, RETRY, False, "RCPT: no answer in time"),
    "DATA later": ({"DATA": "451 4.3.0 later"}, RETRY, False, "DATA: 451 4.3.0 later"),
    "DATA closing": ({"DATA": "421 4.3.0 bye"}, RETRY, False, "DATA: 421 4.3.0 bye"),
    "DATA never": ({"DATA": "554 5.1.1 none"}, REFUSED, False, "DATA: 554 5.1.1 none"),
    "DATA not asked on": ({"DATA": "250 fine"}, RETRY, False, "DATA: 250 fine"),
    "DATA drop": ({"DATA": DROP}, RETRY, False, "DATA"),
    "DATA hang": ({"DATA": HANG}, RETRY, False, "DATA: no answer in time"),
    "end later": ({"END": "451 4.3.0 later"}, RETRY, False, "end of the mail: 451 4.3.0 later"),
    "end closing": ({"END": "421 4.3.0 bye"}, RETRY, False, "end of the mail: 421 4.3.0 bye"),
    "end never": ({"END": "550 5.7.1 spam"}, REFUSED, False, "end of the mail: 550 5.7.1 spam"),
    "end sign in": ({"END": "530 5.7.0 who?"}, DOWN, False, "end of the mail: 530 5.7.0 who?"),
    "end garbage": ({"END": "what"}, UNKNOWN, False, "it may have arrived"),
    "end out of turn": ({"END": "354 go on"}, UNKNOWN, False, "end of the mail: 354 go on"),
    "end drop": ({"END": DROP}, UNKNOWN, False, "it may have arrived"),
    "end hang": ({"END": HANG}, UNKNOWN, False, "no answer in time; it may have arrived"),
}


def at(port: int, **more: object) -> str:
    options = "".join(f"&{name}={value}" for name, value in more.items())
    return f"smtp://127.0.0.1:{port}?from=Changeover%20<alerts@example.com>&starttls=never{options}"


def to(server: Peer, idle_s: float = 30.0) -> Smtp:
    return Smtp(read_server(at(server.port, timeout=PATIENCE_S), None), idle_s)


def verdicts(answers: Sequence[Answer]) -> list[Verdict]:
    return [answer.verdict for answer in answers]


def recipients(mails: Sequence[Envelope]) -> list[str | None]:
    return [address for mail in mails for address in mail.rcpt_tos]


async def sent(faults: Mapping[str, str], *addresses: str) -> tuple[list[Answer], Peer]:
    """Return what is answered, in one call, by a server with ``faults``; and the server."""
    async with peer(faults) as server:
        smtp = to(server)
        answers = await smtp.send(texts_to(*addresses))
        await smtp.close()
        return answers, server


def test_a_text_is_one_mail_to_its_address() -> None:
    (answer,), server = asyncio.run(sent({}, "ann@example.com"))
    (mail,) = server.mails
    assert isinstance(mail.content, bytes)
    read = message_from_bytes(mail.content)

    name = f"<{0:032x}@example.com>"
    assert answer == Answer(SENT, reference=name, reason="2.0.0 Ok: queued as 4F3")
    assert (mail.mail_from, mail.rcpt_tos) == ("alerts@example.com", ["ann@example.com"])
    assert (read["Message-ID"], read["To"]) == (name, "ann@example.com")
    assert read.get_payload() == "home: the grid is lost.\r\n"
    assert server.commands == ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_at_each_step_has_its_verdict(name: str) -> None:
    faults, verdict, dead, said = FAULTS[name]

    (answer,), server = asyncio.run(sent(faults, "ann@example.com"))

    assert (answer.verdict, answer.dead, answer.after_s) == (verdict, dead, None)
    assert said in answer.reason
    assert (answer.reference, server.mails) == ("", [])


@pytest.mark.parametrize(
    "fault", [*(f"{n}50 {n}.2.0 no" for n in (4, 5)), DROP, HANG, "421 4.3.2 x"]
)
@pytest.mark.parametrize("step", ["RCPT", "END"])
def test_one_bad_address_spoils_no_other(step: str, fault: str) -> None:
    addresses = [f"{name}@example.com" for name in ("a", "b", "bad", "c", "d")]

    answers, server = asyncio.run(sent({f"{step} bad@example.com": fault}, *addresses))

    assert verdicts([*answers[:2], *answers[3:]]) == [SENT] * 4
    assert answers[2].verdict is not SENT
    assert recipients(server.mails) == [each for each in addresses if "bad" not in each]


def test_no_rset_no_more_of_that_connection() -> None:
    faults = {"RCPT bad@example.com": "550 5.1.1 none", "RSET": "500 5.5.1 what?"}

    answers, server = asyncio.run(sent(faults, "bad@example.com", "ann@example.com"))

    assert verdicts(answers) == [REFUSED, SENT]
    assert server.begun == 2


def test_what_must_be_mended_first_is_tried_once() -> None:
    answers, server = asyncio.run(sent({"MAIL": "530 5.7.0 sign in"}, *["ann@example.com"] * 4))

    assert verdicts(answers) == [DOWN] * 4
    assert server.commands.count("MAIL") == 1


def test_a_server_that_is_not_there_is_asked_once() -> None:
    async def run() -> list[Answer]:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # taken, but nobody listens
            return await Smtp.from_url(at(nobody.getsockname()[1]), None).send([a_text()] * 3)

    answers = asyncio.run(run())

    assert verdicts(answers) == [RETRY] * 3
    assert "Connect call failed" in answers[0].reason or "refused" in answers[0].reason


def test_a_name_that_dns_does_not_know_may_be_known_later() -> None:
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert broke(Step.CONNECT, error) == Answer(
        RETRY, reason="connecting: Name or service not known"
    )


def test_all_texts_are_answered_when_the_time_of_a_call_is_over() -> None:
    async def run() -> list[Answer]:
        async with peer({"END": HANG}) as server:
            smtp = Smtp.from_url(at(server.port, timeout=0.2), None)
            answers = await smtp.send(texts_to(*["ann@example.com"] * 6))
            await smtp.close()
            return answers

    answers = asyncio.run(run())

    assert len(answers) == 6
    assert {answer.verdict for answer in answers} <= {UNKNOWN, RETRY}
    assert answers[-1] == Answer(RETRY, reason="no time was left for it")


def test_an_address_that_no_mail_can_go_to_is_refused_unasked() -> None:
    bad = ["", "ann", "ann@", "@example.com", "a@b\r\nRCPT TO:<eve@x>", "a b@example.com",
           "<a@b>", "a@b>", "a,b@example.com", "a@" + "b" * 260, "a\ud800@b"]  # fmt: skip

    answers, server = asyncio.run(sent({}, *bad))

    assert answers == [Answer(REFUSED, reason="not an address that a mail can go to")] * len(bad)
    assert server.begun == 0


def test_an_address_beyond_ascii_goes_where_it_is_understood() -> None:
    address = "юзер@пошта.укр"

    async def run(knows: bool) -> tuple[list[Answer], Peer]:
        async with peer(enable_SMTPUTF8=knows) as server:
            smtp = to(server)
            answers = await smtp.send(texts_to(address, "ann@example.com"))
            await smtp.close()
            return answers, server

    understood, server = asyncio.run(run(knows=True))
    not_understood, other = asyncio.run(run(knows=False))

    assert verdicts(understood) == [SENT, SENT]
    assert server.mails[0].rcpt_tos == [address]
    assert f"To: {address}\r\n".encode() in (server.mails[0].content or b"")
    assert server.mails[0].mail_options == ["SMTPUTF8", "BODY=8BITMIME"]
    assert verdicts(not_understood) == [REFUSED, SENT]
    assert recipients(other.mails) == ["ann@example.com"]


def test_a_reason_is_one_short_line_with_no_whole_address() -> None:
    said = "550-5.1.1 <Ann@example.com>:\r\n550 5.1.1 \x07" + "no " * 300

    (answer,), _ = asyncio.run(sent({"RCPT": said}, "ann@example.com"))

    assert answer.reason.startswith("RCPT: 550 5.1.1 <a…@example.com>: 5.1.1 no no")
    assert len(answer.reason) <= 300


def test_a_second_try_is_the_same_mail() -> None:
    async def run() -> list[Envelope]:
        async with peer() as server:
            smtp = to(server)
            await smtp.send([a_text()])
            await smtp.send([a_text(tried_since=a_text().at)])
            await smtp.close()
            return server.mails

    first, second = asyncio.run(run())

    assert first.content == second.content


def test_it_is_a_provider() -> None:
    provider: Provider = Smtp.from_url(at(25), None)

    assert (provider.at_once, provider.calls) == (2, 48)
    assert asyncio.run(provider.send([])) == []
