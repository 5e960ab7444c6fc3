"""What a device texts by itself, and whom we tell after all. Pure, on the book of its device."""

from collections.abc import Mapping

import msgspec

from schemas.decision import Decision
from schemas.events import Texted
from schemas.handover import Answered, Claimed
from tables.routing import Book, Recipient, Texts

MOST = 64  # claims that are remembered: a device that texts more is texting nobody any more


def claim(book: Book, claimed: Claimed, to: tuple[Recipient, ...]) -> Book:
    """Return the book with the texts of ``claimed`` to the recipients ``to`` on their way."""
    decision, rules = claimed.decision, book.rules
    told = rules.get(decision.rule)
    if told is not None and told.episode == decision.episode:  # they hear of its end from us
        everybody = tuple(sorted({*told.recipients, *to}))
        rules = {**rules, decision.rule: msgspec.structs.replace(told, recipients=everybody)}
    texts = book.texts | {decision.id: Texts(decision, tuple((each, None) for each in to))}
    newest = dict(list(texts.items())[-MOST:])
    return msgspec.structs.replace(book, rules=rules, texts=newest)


def answer(book: Book, answered: Answered) -> tuple[Book, tuple[Recipient, ...]]:
    """Return the book with what became of texts, and who is to be told by us after all.

    Those are whom the device has handed back, and whom it may not have reached.
    """
    texts = book.texts.get(answered.notification)
    if texts is None:
        return book, ()
    outcomes: Mapping[str, Texted] = answered.outcomes
    to = tuple((each, outcomes.get(each.address, became)) for each, became in texts.to)
    ours = tuple(
        each for each, _ in to if outcomes.get(each.address) in {Texted.HANDED_BACK, Texted.UNKNOWN}
    )
    known = book.texts | {answered.notification: msgspec.structs.replace(texts, to=to)}
    return msgspec.structs.replace(book, texts=known), () if texts.asked_by else ours


def silent(book: Book, by: str) -> tuple[Book, list[tuple[Decision, Recipient]]]:
    """Return the book once its device is silent, and whom we tell because it has not answered.

    by: the id of the notification that says so; said again, it is the same. Also where the device
    has answered since that it did not reach them: for such an answer we did not tell anybody.
    """
    known, ours = dict(book.texts), list[tuple[Decision, Recipient]]()
    for identity, texts in book.texts.items():
        again = texts.asked_by == by
        left = [
            each
            for each, became in texts.to
            if became is None or (again and became is not Texted.SENT)
        ]
        if left and texts.asked_by in {"", by}:
            ours += [(texts.decision, each) for each in left]
            known[identity] = msgspec.structs.replace(texts, asked_by=by)
    return msgspec.structs.replace(book, texts=known), ours
