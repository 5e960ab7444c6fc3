"""Sends one text now, past every outbox: to try a channel, or to show whose an address is."""

import secrets
from datetime import UTC, datetime, timedelta

from app import providers
from app.providers.provider import Answer, Outgoing
from app.settings import Settings
from schemas.decision import Kind, Severity
from schemas.delivery import Channel

USEFUL = timedelta(minutes=15)


async def send_one(
    settings: Settings, channel: Channel, address: str, subject: str, text: str
) -> Answer:
    """Return what the provider of ``channel`` says became of ``text``.

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
    finally:
        await provider.close()
    return answer
