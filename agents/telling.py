"""What route sends: messages of decisions and digests, and what became of a device's own texts."""

from datetime import datetime, timedelta
from typing import Any

import structlog

from app import texts as saying
from app.stream import apps
from app.stream.producer import Send
from schemas import codec, topics
from schemas.decision import Decision, Kind, worst
from schemas.delivery import (
    Acknowledged,
    Attempt,
    Channel,
    Delivery,
    Expired,
    Failed,
    Message,
    Sent,
    Unknown,
    message_id,
)
from schemas.escalation import Taken
from schemas.events import Texted
from schemas.handover import Answered, Claimed, Digest
from tables import wording
from tables.fold import RULE_CHANGED
from tables.routing import Recipient, Texts, Voice
from tables.rules import USEFULNESS_RESOLVED, Rule, useful_for

log = structlog.get_logger()
TOPICS = {Channel.EMAIL: topics.EMAIL, Channel.SMS: topics.SMS, Channel.PUSH: topics.PUSH}
# People are told all the same when a template of the operator's is wrong.
texts = saying.Texts(apps.SETTINGS.templates_dir, otherwise=saying.Texts())
PLAIN = 3  # lines of what is said without a template
DIGEST = "digest"  # in the place of a rule, in a message of several


def of(
    decision: Decision,
    rule: Rule | None,
    to: Recipient,
    since: datetime,
    now: datetime,
    voice: Voice,
    *,
    flagged: bool = False,
) -> Send:
    """Return the message that tells ``to`` of ``decision``, or that it has expired.

    since: when its usefulness began. now: the append time of what is routed. voice: of ``to``.
    flagged: it may have been told already, by the device itself.
    """
    until = since + useful_for(decision.kind, rule)
    if now > until:
        reason = f"decided for {decision.at:%Y-%m-%dT%H:%M:%SZ}, too old when it was written"
        identity = message_id(decision.id, to.person, to.channel, to.address)
        return _delivery(to, Expired(**_names(identity, decision.id, to), reason=reason))
    answer_within = None if rule is None else rule.escalate_after
    return _message(
        decision.id,
        to,
        _said(decision, rule, to, now, voice, flagged=flagged),
        voice,
        device=decision.device,
        rule=decision.rule,
        kind=decision.kind,
        severity=decision.severity,
        at=decision.at,
        useful_until=until,
        episode=decision.episode,
        unanswered_after=None if answer_within is None else answer_within.total_seconds(),
    )


def _said(
    decision: Decision,
    rule: Rule | None,
    to: Recipient,
    now: datetime,
    voice: Voice,
    *,
    flagged: bool,
) -> saying.Said:
    gone = clear_for(decision, rule)
    try:
        return texts.of(decision, to.channel, *voice, now=now, clear_for=gone, again=flagged)
    except saying.TextsError:  # also ours: a rule named as one of ours may know other facts
        log.exception("said_without_template", rule=decision.rule)
        return _plain(decision.device, [wording.text(decision, gone)])


def of_digest(digest: Digest, to: Recipient, now: datetime, voice: Voice) -> Send:
    """Return the message that tells ``to`` of all that ``digest`` holds."""
    try:
        said = texts.digest(digest, to.channel, *voice)
    except saying.TextsError:
        log.exception("said_without_template", rule=DIGEST)
        said = _plain(digest.device, [wording.text(each) for each in digest.decisions])
    return _message(
        digest.id,
        to,
        said,
        voice,
        device=digest.device,
        rule=DIGEST,
        kind=Kind.RESOLVED,
        severity=worst(each.severity for each in digest.decisions),
        at=digest.decisions[-1].at,
        useful_until=now + USEFULNESS_RESOLVED,
    )


def _plain(device: str, lines: list[str]) -> saying.Said:
    """Return ``lines`` as a message says them that no template could be made for."""
    shown = lines[-PLAIN:]
    subject = f"{wording.printable(device)}: {len(lines)} notifications"
    return saying.Said(shown[0] if len(lines) == 1 else subject, "\n".join(shown), shown[-1])


def _message(
    notification: str, to: Recipient, said: saying.Said, voice: Voice, **what: Any
) -> Send:
    message = Message(
        id=message_id(notification, to.person, to.channel, to.address),
        notification=notification,
        recipient=to.person,
        channel=to.channel,
        address=to.address,
        subject=said.subject,
        text=said.text,
        short=said.short,
        language=voice.language,
        **what,
    )
    return Send(TOPICS[to.channel], to.person.encode(), codec.encode(message))


def taken(note: Taken, told: tuple[Recipient, ...]) -> list[Send]:
    """Return what tells the outboxes of those who were ``told`` that somebody took note."""
    value = codec.encode(
        Acknowledged(device=note.device, rule=note.rule, episode=note.episode, by=note.by)
    )
    people = sorted({each.person for each in told})
    return [Send(topics.DELIVERIES, person.encode(), value) for person in people]


def attempt(claimed: Claimed, to: Recipient) -> Send:
    """Return the record that the device texts ``to`` itself."""
    named = _names(_text_id(claimed.decision.id, to), claimed.decision.id, to)
    return _delivery(to, Attempt(**named, ordinal=1))


def outcomes(answered: Answered, texts: Texts) -> list[Send]:
    """Return what became of the texts to those that ``answered`` names."""
    return [
        _delivery(to, _became(answered, outcome, to))
        for to, _ in texts.to
        if (outcome := answered.outcomes.get(to.address)) is not None
    ]


def unsure(answered: Answered, to: Recipient) -> bool:
    """Return whether the device's text may have reached ``to``."""
    return answered.outcomes.get(to.address) is Texted.UNKNOWN


def clear_for(decision: Decision, rule: Rule | None) -> timedelta:
    """Return how long what ``decision`` resolves was gone by then."""
    return timedelta() if rule is None or RULE_CHANGED in decision.cause else rule.clear_for


def _became(answered: Answered, outcome: Texted, to: Recipient) -> Delivery:
    named = _names(_text_id(answered.notification, to), answered.notification, to)
    match outcome:
        case Texted.SENT:
            return Sent(**named, reference=f"texted by {answered.device}")
        case Texted.UNKNOWN:
            return Unknown(**named, reason=answered.reason)
        case Texted.HANDED_BACK:
            return Failed(**named, reason=answered.reason or "handed back")


def _text_id(notification: str, to: Recipient) -> str:
    """Return the id of the device's own text: another message than the one we would send."""
    return message_id(notification, "sim", to.channel, to.address)


def _names(message: str, notification: str, to: Recipient) -> dict[str, Any]:
    return {
        "message": message,
        "notification": notification,
        "recipient": to.person,
        "channel": to.channel,
    }


def _delivery(to: Recipient, delivery: Delivery) -> Send:
    return Send(topics.DELIVERIES, to.person.encode(), codec.encode(delivery))
