"""Finds what silences hold back that were ended early, so that it leaves within seconds."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from app.stream.producer import Send
from schemas import codec, topics
from schemas.delivery import Silenced, Unsilenced
from tables.outbox_state import Outbox
from tables.wheel import Key

if TYPE_CHECKING:
    from app.directory import Snapshot


PATIENCE = timedelta(minutes=1)
MOST = 5_000  # outboxes a look, so that the loop never stands still


class Silencing:
    """The outboxes in which a silence holds something back.

    Each is compared with the directory once whenever that or the outbox was changed.
    """

    def __init__(self, read: Callable[[Key], Outbox]) -> None:
        """Nothing is held back. read: returns the outbox of a key."""
        self._read = read
        self._held, self._unchecked = set[Key](), set[Key]()
        self._revision: int | None = None
        self._newer: dict[Key, datetime] = {}  # since when they know a newer directory than we

    def __bool__(self) -> bool:
        """Return whether anything is held back."""
        return bool(self._held)

    def note(self, key: Key, state: Outbox) -> None:
        """Take notice that the outbox of ``key`` is ``state`` now."""
        if _silences(state):
            self._held.add(key)
            self._unchecked.add(key)
        else:
            self._held.discard(key)
            self._unchecked.discard(key)
            self._newer.pop(key, None)

    def look(self, directory: "Snapshot", ours: Collection[int], now: datetime) -> list[Send]:
        """Return what is to be written now. ours: the partitions."""
        if directory.revision != self._revision:
            self._revision = directory.revision
            self._unchecked |= self._held
        ends = {each.silence: each.until for each in directory.silences}
        sends: list[Send] = []
        for key in list(islice(self._unchecked, MOST)):
            silences = _silences(self._read(key)) if key[0] in ours else ()
            newer = any(each.revision > directory.revision for _, _, each in silences)
            # Whoever queued it knows one that is not known here yet; or this is an older copy.
            if newer and now - self._newer.setdefault(key, now) < PATIENCE:
                continue
            self._unchecked.discard(key)
            self._newer.pop(key, None)
            ended = dict[tuple[str, str], Silenced | None]()
            for device, rule, silenced in silences:
                if silenced.until > now and ends.get(silenced.id, now) < silenced.until:
                    ended[device, rule] = directory.silenced(device, rule, now)
            for (device, rule), instead in ended.items():
                record = Unsilenced(device=device, rule=rule, silenced=instead)
                sends.append(Send(topics.DELIVERIES, key[1], codec.encode(record), key[0]))
        return sends


def _silences(state: Outbox) -> Collection[tuple[str, str, Silenced]]:
    """Return what holds back something in ``state``: of which device, which rule, by what."""
    return {
        (each.message.device, each.message.rule, each.terms.silenced): None
        for contact in state.contacts.values()
        for each in contact.waiting
        if each.terms.silenced is not None
    }
