"""Push messages through Google's SDK to a stand-in on this machine: every answer, each alone."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import firebase_admin
import pytest
from firebase_admin import messaging

from app.broker.ports import free_port
from app.providers.firebase import AT_ONCE, Firebase
from app.providers.firebase_project import read_project
from app.providers.provider import Answer, Outgoing, Verdict
from app.settings import SettingsError
from schemas.decision import Severity
from schemas.delivery import Channel
from tests.providers.fcm_peer import PROJECT, Judge, Peer, fcm, service_account
from tests.providers.smtp_peers import certificate, served
from tests.providers.smtp_texts import a_text

SENT, RETRY, REFUSED, UNKNOWN, DOWN = Verdict


def a_push(address: str = "ann-phone", **more: Any) -> Outgoing:
    until = datetime.now(UTC) + timedelta(minutes=30)
    return a_text(**{"channel": Channel.PUSH, "address": address, "useful_until": until} | more)


class House:
    """A stand-in's certificate and key, and a provider that talks to it."""

    def __init__(self, folder: Path) -> None:
        self.pem = certificate(folder)
        self.key = service_account("https://127.0.0.1:1")

    def provider(self, api: str, timeout_s: float) -> Firebase:
        key = json.dumps(json.loads(self.key) | {"token_uri": f"{api}/token"})
        url = f"firebase://{PROJECT}?api={api}&ca={self.pem}&timeout={timeout_s}"
        return Firebase.from_url(url, key)

    def sent(
        self,
        *batches: list[Outgoing],
        prepare: Callable[[Peer], None] = lambda _: None,
        timeout_s: float = 5,
    ) -> tuple[list[Answer], Peer]:
        """Return what became of ``batches``, one after the other, and what the stand-in saw."""

        async def run() -> tuple[list[Answer], Peer]:
            async with fcm(served(self.pem)) as peer:
                prepare(peer)
                provider = self.provider(peer.api, timeout_s)
                try:
                    return [each for batch in batches for each in await provider.send(batch)], peer
                finally:
                    await provider.close()

        return asyncio.run(run())


@pytest.fixture(name="house", scope="module")
def _house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("fcm"))


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert not firebase_admin._apps


def test_a_message_is_what_googles_own_document_says(house: House) -> None:
    answers, peer = house.sent([a_push(), a_push("fid:ann-installation")])

    assert [each.verdict for each in answers] == [SENT, SENT]
    assert sorted(each.reference for each in answers) == [
        f"projects/{PROJECT}/messages/{number}" for number in (1, 2)
    ]
    assert [Judge().request(body) for body in peer.bodies] == [[], []]
    assert peer.asked == {"ann-phone": 1, "ann-installation": 1}


def test_the_judge_finds_what_is_wrong() -> None:
    wrong = {"message": {"token": 7, "android": {"priority": "loud"}, "colour": "red"}}

    assert Judge().request(wrong) == [
        "body.message.colour is unknown",
        "body.message.token is no string",
        "body.message.android.priority is 'loud'",
    ]


def test_it_is_told_for_as_long_as_it_is_useful_and_once_on_each_device(house: House) -> None:
    text = a_push(severity=Severity.CRITICAL)
    _, peer = house.sent([text], [text])
    first, second = (body["message"] for body in peer.bodies)

    assert first["notification"] == {"title": "home: lost", "body": "home: the grid is lost."}
    assert 1_700 <= float(first["android"]["ttl"].removesuffix("s")) <= 1_800
    assert first["android"]["priority"] == "high"
    assert 1_700 <= int(first["webpush"]["headers"]["TTL"]) <= 1_800
    assert len(first["webpush"]["headers"]["Topic"]) <= 32
    for each in (first, second):
        assert each["android"]["collapse_key"] == text.id
        assert each["apns"]["headers"]["apns-collapse-id"] == text.id
    assert first["data"]["rule"] == "lost"


def test_what_is_not_urgent_waits_for_the_phone(house: House) -> None:
    _, peer = house.sent([a_push(severity=Severity.INFO, useful_until=datetime.now(UTC))])
    (message,) = (body["message"] for body in peer.bodies)

    assert message["android"] == message["android"] | {"priority": "normal", "ttl": "0s"}
    assert message["apns"]["headers"]["apns-priority"] == "5"


@pytest.mark.parametrize(
    ("status", "code", "verdict", "dead"),
    [
        (404, "UNREGISTERED", REFUSED, True),
        (400, "INVALID_ARGUMENT", REFUSED, True),
        (400, "", REFUSED, False),
        (403, "SENDER_ID_MISMATCH", REFUSED, True),
        (403, "", DOWN, False),
        (401, "THIRD_PARTY_AUTH_ERROR", DOWN, False),
        (401, "", DOWN, False),
        (404, "", DOWN, False),
        (429, "QUOTA_EXCEEDED", RETRY, False),
        (503, "UNAVAILABLE", RETRY, False),
        (500, "INTERNAL", UNKNOWN, False),
        (502, "", UNKNOWN, False),
        (418, "", REFUSED, False),
        (408, "", UNKNOWN, False),
    ],
)
def test_an_error_is_of_its_class_and_asked_about_once(
    house: House, status: int, code: str, verdict: Verdict, dead: bool
) -> None:
    (answer,), peer = house.sent(
        [a_push()], prepare=lambda peer: peer.answers.update({"ann-phone": (status, code)})
    )

    assert (answer.verdict, answer.dead) == (verdict, dead)
    assert answer.reason.startswith(str(status))
    assert answer.reason.isprintable()
    assert peer.asked == {"ann-phone": 1}
    if verdict is RETRY:
        assert answer.after_s == 7


def test_a_quota_without_a_time_waits_a_minute(house: House) -> None:
    def prepare(peer: Peer) -> None:
        peer.headers = {}
        peer.answers["ann-phone"] = (429, "QUOTA_EXCEEDED")

    (answer,), _ = house.sent([a_push()], prepare=prepare)

    assert answer.after_s == 60


@pytest.mark.parametrize("how", ["hang", "drop", "garbage"])
def test_what_may_have_been_taken_is_unknown_and_not_tried_again(house: House, how: str) -> None:
    (answer,), peer = house.sent(
        [a_push()],
        prepare=lambda peer: peer.answers.update({"ann-phone": how}),
        timeout_s=1 if how == "hang" else 5,
    )

    assert answer.verdict is UNKNOWN
    assert peer.asked == {"ann-phone": 1}


@pytest.mark.parametrize(
    ("how", "verdict"),
    [("a list", UNKNOWN), ("nothing", UNKNOWN), ("other bytes", REFUSED), ("odd details", RETRY)],
)
def test_what_a_proxy_says_is_of_its_text_alone(house: House, how: str, verdict: Verdict) -> None:
    answers, peer = house.sent(
        [a_push(), a_push("n1")], prepare=lambda peer: peer.answers.update({"ann-phone": how})
    )

    assert [each.verdict for each in answers] == [verdict, SENT]
    assert set(peer.asked.values()) == {1}


def test_a_certificate_that_nobody_vouches_for_stops_the_channel(
    house: House, tmp_path: Path
) -> None:
    async def run() -> list[Answer]:
        async with fcm(served(house.pem)) as peer:
            provider = house.provider(peer.api, 5)
            provider._http = provider._http.__class__(5, str(certificate(tmp_path)))
            messaging._get_messaging_service(provider._app)._async_client = provider._http
            try:
                return await provider.send([a_push()])
            finally:
                await provider.close()

    (answer,) = asyncio.run(run())
    assert answer.verdict is DOWN
    assert answer.reason.startswith("no TLS with FCM")


def test_certificates_are_trusted_that_the_sign_in_trusts(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(house.pem))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    async def run() -> list[Answer]:
        async with fcm(served(house.pem)) as peer:
            key = json.dumps(json.loads(house.key) | {"token_uri": f"{peer.api}/token"})
            provider = Firebase.from_url(f"firebase://{PROJECT}?api={peer.api}", key)
            try:
                return await provider.send([a_push()])
            finally:
                await provider.close()

    assert [each.verdict for each in asyncio.run(run())] == [SENT]


def test_a_bad_address_changes_nothing_for_the_others(house: House) -> None:
    bad: dict[str, tuple[int, str] | str] = {
        "n3": (404, "UNREGISTERED"),
        "n7": (500, "INTERNAL"),
        "n9": "drop",
    }
    texts = [a_push(f"n{number}", id=f"{number:032x}") for number in range(AT_ONCE)]
    answers, peer = house.sent(texts, prepare=lambda peer: peer.answers.update(bad))

    assert {n: each.verdict for n, each in enumerate(answers) if each.verdict is not SENT} == {
        3: REFUSED,
        7: UNKNOWN,
        9: UNKNOWN,
    }
    assert set(peer.asked.values()) == {1}


def test_one_that_cannot_be_written_changes_nothing_for_the_others(house: House) -> None:
    answers, peer = house.sent([a_push("n1"), a_push(""), a_push("n2")])

    assert [each.verdict for each in answers] == [SENT, REFUSED, SENT]
    assert "not written" in answers[1].reason
    assert set(peer.asked.values()) == {1}


def test_one_sign_in_serves_all_and_a_refused_token_makes_another(house: House) -> None:
    _, peer = house.sent([a_push()], [a_push()])
    assert peer.signed_in == 1

    def prepare(peer: Peer) -> None:
        peer.answers["old"] = (401, "")

    _, peer = house.sent([a_push("old")], [a_push()], prepare=prepare)
    assert peer.signed_in == 2


@pytest.mark.parametrize(("status", "verdict"), [(400, DOWN), (401, DOWN), (503, RETRY)])
def test_who_cannot_sign_in_sends_nothing(house: House, status: int, verdict: Verdict) -> None:
    (answer,), peer = house.sent(
        [a_push()], prepare=lambda peer: setattr(peer, "sign_in_status", status)
    )

    assert answer.verdict is verdict
    assert answer.reason.startswith("not signed in")
    assert not peer.bodies


def test_nobody_there_is_tried_again_later(house: House) -> None:
    async def run() -> list[Answer]:
        provider = house.provider(f"https://127.0.0.1:{free_port()}", 5)
        try:
            return await provider.send([a_push()])
        finally:
            await provider.close()

    (answer,) = asyncio.run(run())
    assert answer.verdict is RETRY


def test_two_of_them_live_side_by_side(house: House) -> None:
    async def run() -> list[Verdict]:
        async with fcm(served(house.pem)) as peer:
            providers = [house.provider(peer.api, 5) for _ in range(2)]
            answers = await asyncio.gather(*[each.send([a_push()]) for each in providers])
            for each in providers:
                await each.close()
            return [answer.verdict for (answer,) in answers]

    assert asyncio.run(run()) == [SENT, SENT]


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("firebase://", "no project"),
        ("firebase://UPPER", "the project's id is not"),
        (f"firebase://{PROJECT}/more", "more than a project"),
        (f"firebase://{PROJECT}?api=nowhere", "api is no place"),
        (f"firebase://{PROJECT}?ca=/nowhere.pem", "no certificates"),
        (f"firebase://{PROJECT}?timeout=soon", "timeout is not from"),
        (f"firebase://{PROJECT}?colour=red", "option 1 is unknown"),
    ],
)
def test_a_url_that_is_wrong_is_told_with_its_remedy(house: House, url: str, what: str) -> None:
    with pytest.raises(SettingsError, match=f"push: {what}.*: "):
        read_project(url, house.key)


@pytest.mark.parametrize("secret", [None, "", "no JSON", "{}", '{"type": "service_account"}'])
def test_a_key_that_is_none_is_told_with_its_remedy(secret: str | None) -> None:
    with pytest.raises(SettingsError, match=r"push: .*key.*CHANGEOVER_PUSH_SECRET_FILE"):
        read_project(f"firebase://{PROJECT}", secret)
