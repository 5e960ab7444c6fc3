"""Texts as short as tests want them."""

from typing import Any

import msgspec

from app.providers.provider import Outgoing
from schemas.decision import Kind, Severity
from schemas.delivery import Channel
from tests.events import at

TEXT = Outgoing(
    id="1f" * 16, channel=Channel.EMAIL, address="ann@example.com", subject="home: lost",
    text="home: the grid is lost.", thread="2e" * 16, device="home", rule="lost", kind=Kind.FIRED,
    severity=Severity.WARNING, at=at(0), useful_until=at(60),
)  # fmt: skip


def a_text(**more: Any) -> Outgoing:
    return msgspec.structs.replace(TEXT, **more)


def texts_to(*addresses: str) -> list[Outgoing]:
    """Return one text for each address; its id tells which one it is."""
    return [a_text(id=f"{n:032x}", address=each) for n, each in enumerate(addresses)]
