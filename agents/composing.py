"""A text of an outbox as a provider is given it."""

from agents.telling import texts
from app.providers.provider import Outgoing
from app.receipts.links import About, Links
from schemas.decision import worst
from schemas.delivery import Channel
from schemas.record import derived_id, instant
from tables.outbox_state import Text


def outgoing(text: Text, links: Links) -> Outgoing:
    """Return ``text`` as a provider is given it. links: where receipts of it come to."""
    last = text.told[-1].message
    messages = [each.message for each in text.told]
    said = texts.several(messages, text.unsaid, text.unsaid_count)
    severity = worst(each.severity for each in messages)
    email = last.channel is Channel.EMAIL
    first = text.covers[0].message
    about = About(
        last.recipient,
        last.channel,
        last.address,
        first.id,
        first.notification,
        text.attempt,
        text.useful_ms,
    )
    return Outgoing(
        id=text.name,
        channel=last.channel,
        address=last.address,
        subject=said.subject,
        text=said.text,
        html=texts.html(said.subject, said.text, severity, last.language) if email else "",
        thread=thread(text),
        device=last.device,
        rule=last.rule,
        kind=last.kind,
        severity=severity,
        at=last.at,
        useful_until=instant(text.useful_ms),
        callback=links.receipt(about),
        unsubscribe=links.unsubscribe(last.address) if email else "",
        tried_since=None if text.unsure_ms is None else instant(text.unsure_ms),
    )


def thread(text: Text) -> str:
    """Return 32 hex digits that name the episode that ``text`` tells of first."""
    first = text.covers[0].message
    return derived_id("thread", first.device, first.rule, str(first.episode or first.notification))
