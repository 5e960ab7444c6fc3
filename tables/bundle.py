"""What a text says that tells of one or several messages, and of what was not told. Pure."""

from schemas.delivery import Channel
from tables.outbox_state import Text

LISTED = 20  # lines: more is no message any more
LISTED_SMS = 3


def subject(text: Text) -> str:
    """Return one line."""
    last = text.covers[-1].message
    return last.subject if len(text.covers) == 1 else f"[{len(text.covers)}] {last.subject}"


def body(text: Text, channel: Channel) -> str:
    """Return what it says, the newest last; a text message names the newest only."""
    messages = [each.message for each in text.covers]
    if len(messages) == 1:
        lines = [messages[0].text]
    else:
        most = LISTED_SMS if channel is Channel.SMS else LISTED
        short = channel is not Channel.EMAIL
        told = [(each.short or each.text) if short else each.text for each in messages[-most:]]
        earlier = len(messages) - len(told)
        more = [f"({earlier} earlier ones are left out.)"] if earlier else []
        lines = [f"{len(messages)} notifications:", *more, *told]
    return "\n".join([*lines, *_unsaid(text)])


def _unsaid(text: Text) -> list[str]:
    if not text.unsaid_count:
        return []
    return [f"Not told in time ({text.unsaid_count}): {'; '.join(text.unsaid)}"]
