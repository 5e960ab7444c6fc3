"""Texts through Twilio's SDK to a stand-in on this machine: every answer, and the lack of one."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.broker.ports import free_port
from app.providers.provider import Answer, Outgoing, Verdict
from app.providers.twilio import Twilio
from app.providers.twilio_account import read_account
from app.settings import SettingsError
from schemas.delivery import Channel
from tests.chaos.faults import Faults
from tests.providers.smtp_texts import a_text
from tests.providers.twilio_peer import ACCOUNT, TOKEN, Peer, twilio

ANN = "+15550100"
SERVICE = "MG" + "1" * 32
SENT, RETRY, REFUSED, UNKNOWN, DOWN = Verdict


def an_sms(**more: Any) -> Outgoing:
    until = datetime.now(UTC) + timedelta(minutes=30)
    return a_text(**{"channel": Channel.SMS, "address": ANN, "useful_until": until} | more)


def account(peer: Peer, query: str = "from=+15550199", timeout_s: float = 5) -> Twilio:
    url = f"twilio://{ACCOUNT}?{query}&api={peer.api}&timeout={timeout_s}"
    return Twilio.from_url(url, TOKEN)


def sent(
    *texts: Outgoing,
    prepare: Callable[[Peer], None] = lambda _: None,
    query: str = "from=+15550199",
    timeout_s: float = 5,
) -> tuple[list[Answer], Peer]:
    """Return what became of ``texts``, one after the other, and what the stand-in has seen."""

    async def run() -> tuple[list[Answer], Peer]:
        async with twilio() as peer:
            prepare(peer)
            provider = account(peer, query, timeout_s)
            try:
                return [(await provider.send([each]))[0] for each in texts], peer
            finally:
                await provider.close()

    return asyncio.run(run())


def one(text: Outgoing, *answers: tuple[int, int] | str, timeout_s: float = 5) -> Answer:
    """Return what became of ``text``, which one request decided."""
    (answer,), peer = sent(
        text, prepare=lambda peer: peer.answers.extend(answers), timeout_s=timeout_s
    )
    assert len(peer.asked) == 1
    assert TOKEN not in answer.reason
    assert answer.reason.isprintable()
    return answer


def test_a_text_is_sent_with_its_sender_and_for_as_long_as_it_is_useful() -> None:
    (answer,), peer = sent(an_sms(callback="http://127.0.0.1/receipts/1"))
    (form,) = peer.forms

    assert answer == Answer(SENT, reference=peer.messages[0]["sid"])
    assert 1_700 <= int(form.pop("ValidityPeriod")) <= 1_800
    assert form == {
        "To": ANN,
        "Body": "home: the grid is lost.",
        "From": "+15550199",
        "StatusCallback": "http://127.0.0.1/receipts/1",
    }


def test_a_messaging_service_sends_in_place_of_a_number() -> None:
    _, peer = sent(an_sms(), query=f"service={SERVICE}")

    assert peer.forms[0]["MessagingServiceSid"] == SERVICE
    assert "From" not in peer.forms[0]
    assert "StatusCallback" not in peer.forms[0]


@pytest.mark.parametrize(
    ("useful", "seconds"), [(timedelta(days=2), "36000"), (timedelta(seconds=-5), "6")]
)
def test_the_validity_stays_within_what_twilio_takes(useful: timedelta, seconds: str) -> None:
    _, peer = sent(an_sms(useful_until=datetime.now(UTC) + useful))

    assert peer.forms[0]["ValidityPeriod"] == seconds


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (400, 21612, REFUSED),
        (400, 21617, REFUSED),
        (400, 21408, REFUSED),
        (400, 99999, REFUSED),
        (418, 0, REFUSED),
        (400, 21606, DOWN),
        (400, 21603, DOWN),
        (401, 20003, DOWN),
        (403, 20403, DOWN),
        (404, 20404, DOWN),
        (429, 20429, RETRY),
        (429, 0, RETRY),
        (400, 14107, RETRY),
        (400, 21611, RETRY),
        (500, 20500, UNKNOWN),
        (503, 20503, UNKNOWN),
        (408, 0, UNKNOWN),
    ],
)
def test_an_error_is_decided_by_its_status_and_then_its_code(
    status: int, code: int, verdict: Verdict
) -> None:
    answer = one(an_sms(), (status, code))

    assert (answer.verdict, answer.dead) == (verdict, False)
    assert answer.reason.startswith(f"{status} {code or ''}")
    if verdict is RETRY:
        assert answer.after_s == 7


@pytest.mark.parametrize("code", [21610, 21211, 21614])
def test_who_opted_out_or_cannot_be_texted_is_dead(code: int) -> None:
    assert one(an_sms(), (400, code)).dead


@pytest.mark.parametrize("how", ["hang", "drop", "garbage", "null", "[]", "proxy"])
def test_what_may_have_been_taken_is_unknown(how: str) -> None:
    answer = one(an_sms(), how, timeout_s=1 if how == "hang" else 5)

    assert answer.verdict is UNKNOWN


def test_what_surely_did_not_leave_may_be_tried_again() -> None:
    async def run() -> Answer:
        peer = Peer(Faults(0, {}))
        peer.api = f"http://127.0.0.1:{free_port()}"
        provider = account(peer)
        (answer,) = await provider.send([an_sms()])
        await provider.close()
        return answer

    assert asyncio.run(run()).verdict is RETRY


SINCE = datetime.now(UTC)


def test_what_may_have_been_sent_is_looked_up_first() -> None:
    again = an_sms(tried_since=SINCE)
    there: list[str] = []
    answers, peer = sent(again, prepare=lambda peer: there.append(peer.holds(again.text, ANN)))

    assert answers == [Answer(SENT, reference=there[0])]
    assert peer.asked == ["GET"]


@pytest.mark.parametrize(
    "other",
    [
        {"body": "home: something else.", "to": ANN},
        {"body": "home: the grid is lost.", "to": "+15550101"},
        {"body": "home: the grid is lost.", "to": ANN, "ago": timedelta(hours=2)},
    ],
)
def test_what_is_not_there_is_sent(other: dict[str, Any]) -> None:
    (answer,), peer = sent(an_sms(tried_since=SINCE), prepare=lambda peer: _hold(peer, other))

    assert peer.asked == ["GET", "POST"]
    assert answer == Answer(SENT, reference=peer.messages[0]["sid"])


def _hold(peer: Peer, other: dict[str, Any]) -> None:
    peer.holds(**other)


@pytest.mark.parametrize(
    ("code", "verdict", "dead"),
    [(30008, SENT, False), (30007, REFUSED, False), (30006, REFUSED, True)],
)
def test_what_was_taken_and_lost_is_known_by_the_look_up(
    code: int, verdict: Verdict, dead: bool
) -> None:
    text = an_sms(tried_since=SINCE)
    (answer,), peer = sent(
        text,
        prepare=lambda peer: _hold(
            peer, {"body": text.text, "to": ANN, "status": "undelivered", "error_code": code}
        ),
    )

    assert (answer.verdict, answer.dead) == (verdict, dead)
    assert peer.asked == (["GET", "POST"] if verdict is SENT else ["GET"])


@pytest.mark.parametrize(
    "how", ["hang", "drop", "garbage", "null", (500, 20500), (429, 20429), (400, 20001), (408, 0)]
)
def test_a_look_up_that_fails_sends_nothing(how: tuple[int, int] | str) -> None:
    (answer,), peer = sent(
        an_sms(tried_since=SINCE),
        prepare=lambda peer: peer.answers.extend([how] * 2),  # aiohttp asks again after a drop
        timeout_s=1 if how == "hang" else 5,
    )

    assert answer.verdict is RETRY
    assert set(peer.asked) == {"GET"}


def test_connections_are_kept_and_closed() -> None:
    answers, peer = sent(*[an_sms(id=f"{number:032x}") for number in range(5)])

    assert [each.verdict for each in answers] == [SENT] * 5
    assert len(peer.connections) == 1


def test_one_that_hangs_holds_up_no_other() -> None:
    async def run() -> tuple[list[Verdict], Verdict]:
        async with twilio() as peer:
            peer.answers.append("hang")
            provider = account(peer)
            first: Coroutine[Any, Any, list[Answer]] = provider.send([an_sms()])
            hung = asyncio.create_task(first)
            while not peer.asked:
                await asyncio.sleep(0)
            others = await asyncio.gather(*[provider.send([an_sms()]) for _ in range(20)])
            assert not hung.done()
            peer.let_go()
            (late,) = await hung
            await provider.close()
            return [each.verdict for (each,) in others], late.verdict

    assert asyncio.run(run()) == ([SENT] * 20, SENT)


@pytest.mark.parametrize(
    ("url", "secret", "what"),
    [
        ("twilio://?from=+15550199", TOKEN, "no account"),
        (f"twilio://{ACCOUNT}:{TOKEN}@{ACCOUNT}?from=+15550199", TOKEN, "a secret is in the URL"),
        (f"twilio://{ACCOUNT}?from=+15550199", None, "no auth token"),
        (f"twilio://{ACCOUNT}", TOKEN, "from or service is needed"),
        (f"twilio://{ACCOUNT}?from=+15550199&service={SERVICE}", TOKEN, "from or service"),
        (f"twilio://{ACCOUNT}?from=%00", TOKEN, "from is no number"),
        (f"twilio://{ACCOUNT}?service=MGx", TOKEN, "service is none of Twilio's"),
        (f"twilio://{ACCOUNT}?from=+15550199&api=ftp://x", TOKEN, "api is no place"),
        (f"twilio://{ACCOUNT}?from=+15550199&color=red", TOKEN, "option 2 is unknown"),
        (
            f"twilio://{ACCOUNT}?from=+15550199&from=+15550199",
            TOKEN,
            "the option from is there twice",
        ),
        (f"twilio://{ACCOUNT}?from=15550199000", TOKEN, "from is no number"),
        ("twilio://AC1?from=+15550199", TOKEN, "the account is not AC and"),
        (f"twilio://SK1@{ACCOUNT}?from=+15550199", TOKEN, "the API key is not SK and"),
        (f"twilio://{ACCOUNT}?from=+15550199&timeout=0", TOKEN, "timeout is not from"),
        (f"twilio://{ACCOUNT}/more?from=+15550199", TOKEN, "more than an account"),
    ],
)
def test_a_url_that_is_wrong_is_told_with_its_remedy(
    url: str, secret: str | None, what: str
) -> None:
    with pytest.raises(SettingsError, match=f"sms: {what}.*: ") as told:
        read_account(url, secret)
    assert TOKEN not in str(told.value)


def test_an_api_key_signs_in_for_the_account() -> None:
    key = "SK" + "2" * 32
    read = read_account(f"twilio://{key}@{ACCOUNT}?from=Changeover", TOKEN)

    assert (read.sid, read.key, read.sender) == (ACCOUNT, key, "Changeover")
    assert TOKEN not in repr(read)
