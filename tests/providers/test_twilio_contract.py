"""What we ask of Twilio, judged by its own OpenAPI document, which Prism serves."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from app.broker.ports import LOOPBACK, free_port
from app.providers.provider import Answer, Outgoing, Verdict
from app.providers.twilio import Twilio
from app.supervisor import mortal
from tests.providers.test_twilio import an_sms
from tests.providers.twilio_peer import ACCOUNT, TOKEN

MODULES = Path(__file__).parents[2] / ".cache" / "prism" / "node_modules"
DOCUMENT = "@twilio/cli-core/src/services/twilio-api/twilio_api_v2010.json"
WAIT_S = 120
FROM, SERVICE = "from=+15550199", "service=MG" + "1" * 32


@pytest.fixture(name="api", scope="module")
def _api() -> Iterator[str]:
    if not (MODULES / ".bin" / "prism").exists():
        pytest.skip("Prism is not installed: deploy/prerequisites prism (needs npm)")
    port = free_port()
    argv = (str(MODULES / ".bin" / "prism"), "mock", "-h", LOOPBACK, "-p", str(port))
    serving = subprocess.Popen(
        mortal((*argv, str(MODULES / DOCUMENT))),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    try:
        url = f"http://{LOOPBACK}:{port}"
        _until_it_answers(url, serving)
        yield url
    finally:
        serving.terminate()
        serving.wait()


def _until_it_answers(url: str, serving: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        assert serving.poll() is None
        try:
            httpx2.get(url, timeout=5)
        except httpx2.TransportError:
            time.sleep(0.1)  # it reads a document of megabytes before it listens
        else:
            return
    pytest.fail("Prism does not answer")


def sent(api: str, text: Outgoing, query: str = FROM) -> Answer:
    async def run() -> Answer:
        provider = Twilio.from_url(f"twilio://{ACCOUNT}?{query}&api={api}&timeout=30", TOKEN)
        try:
            (answer,) = await provider.send([text])
            return answer
        finally:
            await provider.close()

    return asyncio.run(run())


@pytest.mark.parametrize("query", [FROM, SERVICE])
def test_what_we_send_is_what_twilio_describes(api: str, query: str) -> None:
    answer = sent(api, an_sms(callback="https://alerts.example.com/receipts/1"), query)

    assert answer.verdict is Verdict.SENT, answer
    assert answer.reference


def test_what_we_look_up_is_what_twilio_describes(api: str) -> None:
    answer = sent(api, an_sms(tried_since=datetime.now(UTC)))

    assert answer.verdict is Verdict.SENT, answer


def test_the_judge_refuses_what_it_does_not_describe(api: str) -> None:
    answer = sent(api, an_sms(callback="no address"))

    assert answer.verdict is Verdict.REFUSED
    assert answer.reason.startswith("422")
