"""Who tells, as the device sees it: what it has decided and the servers may not have. Pure.

A decision is the servers' once they have acknowledged a record at or after the one that revealed
it, with nothing behind it: a drained point. What is not theirs in time the device claims, and
texts itself; it hands back what it has not texted when the link is up again. Each claim ends in one
``sim`` record.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

import msgspec

from edge.job import Job, Text, given_up
from schemas.decision import Decision, Kind
from schemas.events import Clock, Texted
from tables.handover import TOLD

RECENT = 20
UNLOGGED = 200  # lines: they are stored with each change
REACHED = "the servers can be reached again"
TOO_LATE = "it was too late to help"


class Untold(msgspec.Struct, frozen=True):
    """A decision that may not be the servers' yet.

    stream, seq: of the record that revealed it. at: the stream's time then.
    useful_until: after it nobody is helped by a text.
    """

    decision: Decision
    stream: str
    seq: int
    at: datetime
    useful_until: datetime


Moved = TypeVar("Moved", Untold, Job)


class Recent(msgspec.Struct, frozen=True):
    """A claim that people may acknowledge. number: as its text says it."""

    number: int
    id: str
    rule: str
    episode: datetime
    acknowledged: bool = False


class Handing(msgspec.Struct, frozen=True):
    """All that is between the device and the servers.

    claims: how many there ever were; recent: the newest of them.
    missed: by rule, the newest episode of which something was too old to be texted.
    unlogged: the newest lines that activeNotifications.log may lack; lost: how many older ones.
    """

    untold: tuple[Untold, ...] = ()
    jobs: tuple[Job, ...] = ()
    claims: int = 0
    recent: tuple[Recent, ...] = ()
    unlogged: tuple[str, ...] = ()
    missed: dict[str, datetime] = {}
    lost: int = 0


def decided(
    handing: Handing,
    stream: str,
    seq: int,
    at: datetime,
    decisions: Iterable[tuple[Decision, datetime]],
) -> Handing:
    """Return ``handing`` once record ``seq`` of ``stream`` has revealed ``decisions``.

    decisions: each with the end of its usefulness.
    """
    known = {each.decision.id for each in handing.untold}
    known |= {job.decision.id for job in handing.jobs}
    untold = tuple(
        Untold(decision, stream, seq, at, useful_until)
        for decision, useful_until in decisions
        if decision.kind in TOLD and decision.id not in known
    )
    return msgspec.structs.replace(handing, untold=handing.untold + untold) if untold else handing


def expired(handing: Handing, now: datetime) -> Handing:
    """Return ``handing`` without what helps nobody any more: the servers will tell of it."""
    late = [each for each in handing.untold if each.useful_until < now]
    if not late:
        return handing
    missed = handing.missed | {
        each.decision.rule: each.decision.episode
        for each in late
        if not _claimed_before(handing, each.decision)
    }
    untold = tuple(each for each in handing.untold if each.useful_until >= now)
    return msgspec.structs.replace(handing, untold=untold, missed=missed)


def shipped(handing: Handing, stream: str, drained: int | None, last: int) -> Handing:
    """Return ``handing`` once the servers have ``stream`` up to ``last``.

    drained: the last drained point among what they have; None if there is none.
    """
    untold = tuple(
        each
        for each in handing.untold
        if each.stream != stream or drained is None or each.seq > drained
    )
    jobs = tuple(
        given_up(job, REACHED) if job.stream == stream and job.seq <= last else job
        for job in handing.jobs
    )
    if untold == handing.untold and jobs == handing.jobs:
        return handing
    return msgspec.structs.replace(handing, untold=untold, jobs=jobs)


def too_late(handing: Handing, now: datetime) -> Handing:
    """Return ``handing`` with the texts handed back that help nobody any more."""
    late = [job for job in handing.jobs if job.useful_until < now]
    if not late:
        return handing
    jobs = tuple(given_up(job, TOO_LATE) if job in late else job for job in handing.jobs)
    return msgspec.structs.replace(handing, jobs=jobs)


def clock_set(handing: Handing, stream: str, clock: Clock) -> Handing:
    """Return ``handing`` at the right time: what the wrong clock stamped on ``stream`` is moved.

    The instants in a decision stay: they name it.
    """
    by, replace = clock.is_ - clock.was, msgspec.structs.replace

    def moved(each: Moved) -> Moved:
        at = each.at or each.decision.at
        if each.stream != stream or at < clock.from_:
            return each
        return replace(each, at=at + by, useful_until=each.useful_until + by)

    return replace(
        handing,
        untold=tuple(map(moved, handing.untold)),
        jobs=tuple(map(moved, handing.jobs)),
    )


def claimed(
    handing: Handing, untold: Untold, seq: int, numbers: Iterable[str], body: str
) -> tuple[Handing, Job]:
    """Return ``handing`` once record ``seq`` of its stream claims ``untold``, and the job."""
    texts = tuple(Text(number) for number in numbers)
    number, useful_until = handing.claims + 1, untold.useful_until
    job = Job(number, untold.decision, untold.stream, seq, body, texts, useful_until, untold.at)
    left = tuple(each for each in handing.untold if each is not untold)
    decision = untold.decision
    recent = (*handing.recent, Recent(number, decision.id, decision.rule, decision.episode))
    after = msgspec.structs.replace(
        handing,
        untold=left,
        jobs=(*handing.jobs, job),
        claims=number,
        recent=recent[-RECENT:],
    )
    return after, job


def texted(handing: Handing, number: int, text: Text) -> Handing:
    """Return ``handing`` with ``text`` in the place of that to its number in job ``number``."""
    jobs = tuple(
        msgspec.structs.replace(
            job,
            texts=tuple(text if each.number == text.number else each for each in job.texts),
        )
        if job.number == number
        else job
        for job in handing.jobs
    )
    return msgspec.structs.replace(handing, jobs=jobs)


def started(handing: Handing) -> Handing:
    """Return ``handing`` at a start: what was on its way to the modem may have been sent."""
    for job in handing.jobs:
        for text in job.texts:
            if text.outcome is None and text.reason and not text.maybe:  # of a former version
                handing = texted(handing, job.number, msgspec.structs.replace(text, maybe=True))
            if text.written and text.outcome is None:
                unknown = msgspec.structs.replace(
                    text, outcome=Texted.UNKNOWN, reason="the device was restarted meanwhile"
                )
                handing = texted(handing, job.number, unknown)
    return handing


def answers(handing: Handing) -> tuple[Handing, list[Job]]:
    """Return ``handing`` without the jobs that are settled, and those: each is to be answered."""
    settled = [job for job in handing.jobs if job.settled]
    if not settled:
        return handing, []
    left = tuple(job for job in handing.jobs if not job.settled)
    return msgspec.structs.replace(handing, jobs=left), settled


def noted(handing: Handing, lines: Iterable[str]) -> Handing:
    """Return ``handing`` with ``lines`` to be logged; of too many the oldest are only counted."""
    unlogged = (*handing.unlogged, *lines)
    lost = handing.lost + max(0, len(unlogged) - UNLOGGED)
    return msgspec.structs.replace(handing, unlogged=unlogged[-UNLOGGED:], lost=lost)


def acknowledged(handing: Handing, number: int) -> tuple[Handing, Recent | None]:
    """Return ``handing`` once somebody has acknowledged claim ``number``, and which that was."""
    found = next((each for each in handing.recent if each.number == number), None)
    if found is None:
        return handing, None
    recent = tuple(
        msgspec.structs.replace(each, acknowledged=True)
        if (each.rule, each.episode) == (found.rule, found.episode)
        else each
        for each in handing.recent
    )
    return msgspec.structs.replace(handing, recent=recent), found


def silenced(handing: Handing, decision: Decision) -> bool:
    """Return whether people have acknowledged what ``decision`` would only repeat."""
    return decision.kind is Kind.REPEATED and any(
        each.acknowledged and (each.rule, each.episode) == (decision.rule, decision.episode)
        for each in handing.recent
    )


def unheard(handing: Handing, decision: Decision) -> bool:
    """Return whether ``decision`` ends an episode of which the servers have yet to tell."""
    if decision.kind is not Kind.RESOLVED or _claimed_before(handing, decision):
        return False
    return handing.missed.get(decision.rule) == decision.episode or any(
        (each.decision.rule, each.decision.episode) == (decision.rule, decision.episode)
        and each.decision.kind is not Kind.RESOLVED
        for each in handing.untold
    )


def _claimed_before(handing: Handing, decision: Decision) -> bool:
    """Return whether the device has claimed something of the episode of ``decision``."""
    return any(
        (each.rule, each.episode) == (decision.rule, decision.episode) for each in handing.recent
    )


def to_send(handing: Handing) -> list[tuple[Job, Text]]:
    """Return the texts that are to be sent, those of the oldest claim first."""
    return [
        (job, text)
        for job in handing.jobs
        for text in job.texts
        if text.outcome is None and not text.written
    ]


def text_of(handing: Handing, job: int, number: str) -> Text | None:
    """Return the text of ``job`` to ``number`` as it is now; None if there is none any more."""
    for each in handing.jobs:
        for text in each.texts:
            if each.number == job and text.number == number:
                return text
    return None
