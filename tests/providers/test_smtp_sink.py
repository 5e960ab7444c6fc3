"""Mails to Postfix's own test server, with the faults that its switches make."""

import asyncio
from pathlib import Path

import pytest

from app.providers.provider import Answer, Verdict
from app.providers.smtp import Smtp
from tests.providers.smtp_peers import SINK, sink
from tests.providers.smtp_texts import texts_to

pytestmark = pytest.mark.skipif(
    SINK is None, reason="smtp-sink is not here: deploy/prerequisites mails"
)
SENT, RETRY, REFUSED, UNKNOWN, DOWN = Verdict


def sent(folder: Path, count: int, *switches: str, timeout_s: float = 5) -> list[Answer]:
    """Return what became of so many mails, at most five in a call."""

    async def run(port: int) -> list[Answer]:
        query = f"from=alerts@example.com&starttls=never&timeout={timeout_s}"
        provider = Smtp.from_url(f"smtp://127.0.0.1:{port}?{query}", None)
        texts = texts_to(*(f"person-{number}@example.com" for number in range(count)))
        try:
            batches = [
                texts[at : at + provider.at_once] for at in range(0, count, provider.at_once)
            ]
            answers = await asyncio.gather(*map(provider.send, batches))
            return [each for batch in answers for each in batch]
        finally:
            await provider.close()

    with sink(folder, *switches) as port:
        return asyncio.run(run(port))


def test_every_mail_arrives_once(tmp_path: Path) -> None:
    answers = sent(tmp_path, 50)
    mails = [each.read_text() for each in tmp_path.glob("mail.*")]
    names = {
        line.partition(": ")[2]
        for mail in mails
        for line in mail.splitlines()
        if line.startswith("Message-ID: ")
    }

    assert {each.verdict for each in answers} == {SENT}
    assert sum(mail.count("Message-ID: ") for mail in mails) == 50
    assert names == {each.reference for each in answers}


@pytest.mark.parametrize(
    ("switches", "verdict"),
    [
        (("-r", "RCPT"), RETRY),
        (("-f", "RCPT"), REFUSED),
        (("-f", "DATA"), REFUSED),
        (("-f", "MAIL"), REFUSED),
        (("-f", "EHLO,HELO"), DOWN),
        (("-q", "DATA"), RETRY),
        (("-q", "RCPT"), RETRY),
        (("-q", "."), UNKNOWN),
        (("-r", "."), RETRY),
    ],
)
def test_its_faults_are_of_their_class(
    tmp_path: Path, switches: tuple[str, str], verdict: Verdict
) -> None:
    assert [each.verdict for each in sent(tmp_path, 2, *switches)] == [verdict] * 2


def test_a_server_that_stalls_before_it_took_the_mail_is_tried_again(tmp_path: Path) -> None:
    (answer,) = sent(tmp_path, 1, "-w", "3", timeout_s=0.5)

    assert answer == Answer(RETRY, reason="DATA: no answer in time")
