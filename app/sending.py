"""Sends one text now, past every outbox: to try a channel, or to show whose an address is."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta

from app import providers
from app.providers.provider import Answer, Outgoing, Receipt, Traced, Verdict
from app.settings import Settings
from schemas.decision import Kind, Severity
from schemas.delivery import Channel

USEFUL = timedelta(minutes=15)
EVERY_S = 1.0


async def send_one(
    settings: Settings,
    channel: Channel,
    address: str,
    subject: str,
    text: str,
    wait_s: float = 0.0,
) -> tuple[Answer, Receipt | None]:
    """Return what the provider of ``channel`` says of ``text``, and what became of it after that.

    wait_s: for how long to ask a provider for a receipt that can be asked.

    Raises:
        SettingsError: the provider is not configured as it must be.
    """
    now = datetime.now(UTC)
    identity = secrets.token_hex(16)
    provider = providers.create(channel, settings)
    outgoing = Outgoing(
        id=identity,
        channel=channel,
        address=address,
        subject=subject,
        text=text,
        thread=identity,
        device="changeover",
        rule="test",
        kind=Kind.FIRED,
        severity=Severity.INFO,
        at=now,
        useful_until=now + USEFUL,
    )
    try:
        (answer,) = await provider.send([outgoing])
        if answer.verdict is not Verdict.SENT or not isinstance(provider, Traced):
            return answer, None
        return answer, await _followed(provider, answer.reference, wait_s)
    finally:
        await provider.close()


async def _followed(provider: Traced, reference: str, wait_s: float) -> Receipt | None:
    receipt, left_s = None, wait_s
    while receipt is None and left_s > 0:
        await asyncio.sleep(EVERY_S)  # a carrier takes seconds, and the provider counts requests
        left_s -= EVERY_S
        receipt = await provider.receipt(reference)
    return receipt
