"""What is between the device and the servers, step by step."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from edge import handover
from edge.handover import UNLOGGED, Handing
from edge.job import Job, Text, tried
from edge.sim800.states import Outcome, Result
from schemas import topics
from schemas.decision import Decision, Kind, Severity
from schemas.events import Clock, Texted
from tests.events import at, stamp

STREAM = topics.TRANSITIONS
USEFUL_FOR = timedelta(minutes=30)
NUMBER = "+15550100"
DAY_S = 86_400


def decision(kind: Kind, second: float = 10, severity: Severity = Severity.WARNING) -> Decision:
    return Decision(
        core=1,
        id=f"{kind}-{second}",
        device="home",
        rule="lost",
        kind=kind,
        at=at(second),
        episode=at(0),
        suppressed=0,
        severity=severity,
        stream=STREAM,
        cause={},
    )


def heard(handing: Handing, *decisions: Decision) -> Handing:
    for each in decisions:
        seq = len(handing.untold) + 1
        useful_until = each.at + USEFUL_FOR
        handing = handover.decided(handing, STREAM, seq, each.at, [(each, useful_until)])
    return handing


def claimed(handing: Handing) -> tuple[Handing, Job]:
    """Return ``handing`` once its oldest decision is claimed, and the job."""
    return handover.claimed(handing, handing.untold[0], 9, [NUMBER], "text")


def clock(was: datetime, is_: datetime, since: datetime) -> Clock:
    return Clock(**stamp(0, None) | {"ts": was}, was=was, is_=is_, from_=since)


def unknown(severity: Severity) -> tuple[Handing, Job, Text]:
    """Return what is left when the modem fell silent over the only text."""
    handing, job = claimed(heard(Handing(), decision(Kind.FIRED, severity=severity)))
    text = tried(job, job.texts[0], Result(Outcome.UNKNOWN, reason="silence"))
    return handover.texted(handing, job.number, text), job, text


def outcomes(handing: Handing) -> list[Texted | None]:
    return [text.outcome for job in handing.jobs for text in job.texts]


def test_a_clock_that_is_set_takes_along_what_it_stamped() -> None:
    handing, _ = claimed(heard(Handing(), decision(Kind.FIRED), decision(Kind.REPEATED, 20)))
    handing = handover.clock_set(handing, STREAM, clock(at(30), at(DAY_S + 30), at(5)))
    (untold,), (job,) = handing.untold, handing.jobs

    assert (untold.at, untold.decision.at) == (at(DAY_S + 20), at(20))
    assert untold.useful_until == at(DAY_S + 20) + USEFUL_FOR
    assert job.useful_until == at(DAY_S + 10) + USEFUL_FOR


def test_a_clock_that_is_set_leaves_what_was_stamped_before_it_was_wrong() -> None:
    handing, _ = claimed(heard(Handing(), decision(Kind.FIRED), decision(Kind.REPEATED, 20)))

    assert handover.clock_set(handing, STREAM, clock(at(30), at(DAY_S), at(25))) == handing
    assert handover.clock_set(handing, topics.PROBES, clock(at(30), at(DAY_S), at(5))) == handing


def test_the_end_is_heard_of_once_the_episode_was_claimed_whatever_repeats_it() -> None:
    repeated, resolved = decision(Kind.REPEATED, 70), decision(Kind.RESOLVED, 90)
    handing, job = claimed(heard(Handing(), decision(Kind.FIRED)))
    handing, _ = handover.acknowledged(handing, job.number)
    handing = heard(handing, repeated, resolved)
    much_later = handover.expired(handing, repeated.at + USEFUL_FOR + timedelta(seconds=1))

    assert handover.silenced(handing, repeated)
    assert not handover.unheard(handing, resolved)
    assert [each.decision for each in much_later.untold] == [resolved]
    assert not handover.unheard(much_later, resolved)


@pytest.mark.parametrize("kind", [Kind.FIRED, Kind.REPEATED])
def test_the_end_of_what_nobody_was_told_is_unheard(kind: Kind) -> None:
    begin, resolved = decision(kind), decision(Kind.RESOLVED, 90)
    handing = heard(Handing(), begin, resolved)

    assert handover.unheard(handing, resolved)
    assert handover.unheard(handover.expired(handing, at(11) + USEFUL_FOR), resolved)


@pytest.mark.parametrize(
    ("severity", "first", "second"),
    [(Severity.WARNING, Texted.UNKNOWN, Texted.UNKNOWN), (Severity.CRITICAL, None, Texted.UNKNOWN)],
)
def test_silence_is_tried_again_only_for_what_is_critical_and_once(
    severity: Severity, first: Texted | None, second: Texted
) -> None:
    _, job, text = unknown(severity)

    assert text.outcome is first
    assert tried(job, text, Result(Outcome.UNKNOWN)).outcome is second


def test_what_may_have_been_sent_is_never_handed_back() -> None:
    handing, job, text = unknown(Severity.CRITICAL)
    late = handover.too_late(handing, job.useful_until + timedelta(seconds=1))
    refused = tried(job, text, Result(Outcome.NOT_SENT))

    assert outcomes(handover.shipped(handing, STREAM, None, job.seq)) == [Texted.UNKNOWN]
    assert outcomes(late) == [Texted.UNKNOWN]
    assert tried(job, text, Result(Outcome.FAILED)).outcome is Texted.UNKNOWN
    assert (refused.outcome, refused.maybe) == (None, True)


def test_what_helps_nobody_any_more_is_handed_back_unless_the_modem_has_it() -> None:
    handing, job = claimed(heard(Handing(), decision(Kind.FIRED)))
    written = msgspec.structs.replace(job.texts[0], written=True)
    late = job.useful_until + timedelta(seconds=1)

    assert handover.too_late(handing, job.useful_until) is handing
    assert outcomes(handover.too_late(handing, late)) == [Texted.HANDED_BACK]
    assert outcomes(handover.too_late(handover.texted(handing, 1, written), late)) == [None]


def test_what_is_decided_once_more_after_a_crash_is_known_already() -> None:
    handing = heard(Handing(), decision(Kind.FIRED))
    taken, _ = claimed(handing)

    assert heard(handing, decision(Kind.FIRED)) == handing
    assert heard(taken, decision(Kind.FIRED)) == taken


def test_of_more_lines_than_can_be_remembered_the_oldest_are_counted() -> None:
    lines = [f"line {number}" for number in range(UNLOGGED + 5)]
    handing = handover.noted(handover.noted(Handing(), lines[:9]), lines[9:])

    assert (handing.unlogged, handing.lost) == (tuple(lines[5:]), 5)


def test_what_an_older_edge_stored_can_be_read() -> None:
    handing, _ = claimed(heard(Handing(), decision(Kind.FIRED)))
    stored: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(handing))
    del stored["lost"], stored["jobs"][0]["texts"][0]["maybe"]

    assert msgspec.convert(stored, Handing) == handing
