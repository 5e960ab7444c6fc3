"""A claim on its way: its texts, and what becomes of each. Pure."""

from datetime import datetime

import msgspec

from edge.sim800.states import Outcome, Result
from schemas.decision import Decision, Severity
from schemas.events import Texted


class Text(msgspec.Struct, frozen=True):
    """A text to one number.

    written: it has gone out to the modem, so that it may have been sent.
    maybe: a former try may have sent it. outcome: None while it is not known.
    references: the modem's, of its parts.
    """

    number: str
    written: bool = False
    maybe: bool = False
    outcome: Texted | None = None
    references: tuple[int, ...] = ()
    reason: str = ""


class Job(msgspec.Struct, frozen=True):
    """A claim: its texts, and what they say. number: by which people acknowledge it.

    seq: of its claim in ``stream``. useful_until: after it nobody is helped by a text.
    at: the stream's time when its decision was revealed; None in a state of a former version.
    """

    number: int
    decision: Decision
    stream: str
    seq: int
    body: str
    texts: tuple[Text, ...]
    useful_until: datetime
    at: datetime | None = None

    @property
    def settled(self) -> bool:
        """Return whether it is known what became of each text."""
        return all(text.outcome is not None for text in self.texts)


def given_up(job: Job, reason: str) -> Job:
    """Return ``job`` with what is not on its way to the modem handed back."""
    texts = tuple(
        text if text.written or text.outcome is not None else _not_sent(text, reason)
        for text in job.texts
    )
    return msgspec.structs.replace(job, texts=texts)


def _not_sent(text: Text, reason: str) -> Text:
    """Return ``text`` handed back, unless a former try may have sent it: then that is said."""
    outcome = Texted.UNKNOWN if text.maybe else Texted.HANDED_BACK
    return msgspec.structs.replace(text, written=False, outcome=outcome, reason=reason)


def tried(job: Job, text: Text, result: Result) -> Text:
    """Return ``text`` of ``job`` once a try came out as ``result``."""
    text = msgspec.structs.replace(text, written=False, references=result.references)
    match result.outcome:
        case Outcome.SENT:
            return msgspec.structs.replace(text, outcome=Texted.SENT, reason=result.reason)
        case Outcome.UNKNOWN:
            # What is critical is sent once more: twice is better than never.
            again = job.decision.severity is Severity.CRITICAL and not text.maybe
            outcome = None if again else Texted.UNKNOWN
            return msgspec.structs.replace(text, outcome=outcome, maybe=True, reason=result.reason)
        case Outcome.FAILED:
            return _not_sent(text, result.reason)
        case Outcome.NOT_SENT:
            return text
