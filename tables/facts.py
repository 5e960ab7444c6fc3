"""What conditions see of a device on one stream: the context, and what has accumulated. Pure."""

import msgspec

from schemas.events import Event, Reading, Source, Transition
from tables import energy as energy_machine
from tables.energy import Energy


class Presence(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the servers noticed. heard: when it was heard last, as text.

    missing, rolled_back, lost_on: what was lost on which stream, at the event that says so.
    """

    silent: bool
    heard: str | None
    missing: int = 0
    rolled_back: bool = False
    lost_on: str | None = None


class Facts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What conditions see: the context and what the stream has accumulated. None is unknown.

    named: the sources that some event has named, for ``needs``.
    """

    source: Source | None = None
    in_window: bool | None = None
    due: tuple[Source, ...] | None = None
    online: bool | None = None
    named: tuple[Source, ...] = ()
    energy: Energy | None = None
    presence: Presence | None = None


UNKNOWN = Facts()
NO_ENERGY = Energy()


def observe(facts: Facts, stream: str, event: Event) -> Facts:
    """Return ``facts`` after an event that is not a tick; what it lacks keeps its last value."""
    source, in_window, named = facts.source, facts.in_window, facts.named
    if event.source is not None:
        source, in_window = event.source, event.in_window
    if type(event) is Transition:
        named = _with(_with(named, event.from_), event.to)
    elif source is not None and source not in named:
        named = (*named, source)
    energy = facts.energy
    if stream == "probes":
        reading = event if type(event) is Reading else None
        energy = energy_machine.evolve(energy or NO_ENERGY, facts.source, source, reading)
    online = facts.online if event.online is None else event.online
    return Facts(source, in_window, event.due, online, named, energy)


def _with(named: tuple[Source, ...], source: Source) -> tuple[Source, ...]:
    return named if source in named else (*named, source)
