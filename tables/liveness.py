"""Is a device heard of, and did it lose records. Pure; time is the broker's append time.

What is told of a device may be told twice, by two workers that both take it for theirs: a record
that knows less than the state (an older ``heard``, a gap that lies no further on) is a copy.
"""

from datetime import datetime

import msgspec

from schemas.decision import Decision
from schemas.liveness import Gap, Heard, LivenessEvent, Silent
from schemas.record import instant
from tables.facts import Facts, Presence
from tables.fold import State, advance
from tables.rulebook import Rulebook


class Watched(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """The stored state of one device.

    heard: when it was heard last, as far as is known here. silent: that is too long ago.
    gaps: by stream, how far it was read when the last gap was found. copies: dropped.
    """

    heard: datetime | None = None
    silent: bool = False
    gaps: dict[str, int] = {}
    copies: int = 0
    appended_ms: int = 0
    state: State = State()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Watched)
written = _encoder.encode
read = _decoder.decode


def take(
    book: Rulebook, watched: Watched, event: LivenessEvent, appended_ms: int
) -> tuple[Watched, list[Decision]]:
    """Return the state after ``event``, appended at ``appended_ms``, and what it decides."""
    after = _known(watched, event)
    if after is None:
        return msgspec.structs.replace(watched, copies=watched.copies + 1), []
    appended_ms = max(appended_ms, watched.appended_ms)
    at, state = instant(appended_ms), watched.state
    before = (state.at or at, watched.appended_ms)
    policy, state, decisions = book.bring(state, event.device, before, (at, appended_ms))
    state, more = advance(policy, state, event.device, at, _facts(after, event))
    after = msgspec.structs.replace(after, appended_ms=appended_ms, state=state)
    return after, decisions + more


def _known(watched: Watched, event: LivenessEvent) -> Watched | None:
    """Return what is known once ``event`` is; None if it is a copy, or out of date."""
    if isinstance(event, Gap):
        if event.offset is None:
            return watched
        if event.offset <= watched.gaps.get(event.stream, -1):
            return None
        return msgspec.structs.replace(watched, gaps=watched.gaps | {event.stream: event.offset})
    if watched.heard is not None and event.heard < watched.heard:
        return None
    silent = watched.silent if not isinstance(event, Silent | Heard) else type(event) is Silent
    return msgspec.structs.replace(watched, heard=event.heard, silent=silent)


def _facts(watched: Watched, event: LivenessEvent) -> Facts | None:
    if isinstance(event, Gap):
        heard = watched.heard
        return Facts(
            presence=Presence(
                watched.silent, _text(heard), event.missing, event.rolled_back, event.stream
            )
        )
    if not isinstance(event, Silent | Heard):
        return None
    return Facts(presence=Presence(watched.silent, _text(watched.heard)))


def _text(at: datetime | None) -> str | None:
    text: str | None = msgspec.to_builtins(at)
    return text
