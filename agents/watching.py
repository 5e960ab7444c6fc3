"""Looks at every device of the partitions that are ours, each when it is time.

A device is silent when nothing was appended of it for ``silent_after``. That is compared with this
machine's clock, and nothing else is: what is written acts at its own append time. Nothing is
written of a partition before it was read to its end, and nobody is called silent for
``silent_after`` from then on: it is not for the devices that a server was down.
"""

from collections.abc import Collection

import msgspec

from app.stream.producer import Send
from app.stream.table import Table
from schemas import codec, topics
from schemas.liveness import Heard, LivenessEvent, LivenessTick, Silent
from schemas.record import instant
from tables import entries
from tables import liveness as machine
from tables.liveness import Watched
from tables.wheel import Key, Wheel

MOST = 10_000  # devices a look: some 50 ms, so that the loop never stands still
AGAIN_S = 5.0  # after which what was written is written again, if it was not folded meanwhile


class Attention(msgspec.Struct, frozen=True):
    """A device that is silent or has a deadline. second: when it is looked at; None: when heard.

    parked: it is off the wheel of all devices until it is heard.
    """

    second: int | None
    parked: bool


class Watcher:
    """Who is silent, who is heard again, whose deadline has come.

    Each device is on one wheel, once, and looked at when it would be silent if nothing was heard
    until then. One that is silent, or has a deadline, has our attention besides.
    """

    def __init__(self, heard_on: tuple[Table, ...], watched: Table, silent_after_s: float) -> None:
        """Take append times from the tables ``heard_on``, and what is known from ``watched``."""
        self._heard_on = heard_on
        self._watched = watched
        self._silent_after_s = silent_after_s
        self._all, self._soon = Wheel(), Wheel()
        self._attention: dict[Key, Attention] = {}
        self._listening_since: dict[int, float] = {}

    def rebuild(self) -> None:
        """Look at everything that the tables hold: they have been recovered."""
        self._all, self._soon, self._attention = Wheel(), Wheel(), {}
        held = [table.held() for table in self._heard_on]
        for partition in set().union(*held):
            keys = set().union(*(each.get(partition, ()) for each in held))
            self._all.extend(partition, keys, 0)
        for partition, watched in self._watched.held().items():
            for key in watched:
                self._attend((partition, key), 0)

    def heard(self, partition: int, keys: Collection[bytes], new: Collection[bytes]) -> None:
        """Take notice of ``keys``: something was heard of them, of ``new`` on this stream first."""
        for key in new:
            if sum(table.read(partition, key)[1] is not None for table in self._heard_on) == 1:
                self._all.add((partition, key), 0)
        if self._attention:
            for key in keys:
                if (partition, key) in self._attention:
                    self._attend((partition, key), 0)

    def noticed(self, partition: int, keys: Collection[bytes], _new: Collection[bytes]) -> None:
        """Take notice that what was written of ``keys`` is folded."""
        for key in keys:
            self._attend((partition, key), 0)

    def look(self, ours: Collection[int], read: Collection[int], now_s: float) -> list[Send]:
        """Return what is to be written now.

        ours: the partitions. read: those of them that were read to their ends.
        """
        for partition in self._listening_since.keys() - set(ours):
            del self._listening_since[partition]
        for partition in read:
            self._listening_since.setdefault(partition, now_s)
        found: list[Send] = []
        for key, second in self._soon.due(int(now_s)):
            held = self._attention.get(key)
            if held is not None and held.second == second and key[0] in ours:
                found += self._attended(key, held.parked, now_s, key[0] in read)
        for key, _ in self._all.due(int(now_s), MOST):
            if key[0] in ours:
                found += self._routine(key, now_s, key[0] in read)
        return found

    def deaf(self) -> None:
        """Take notice that nothing can be heard: the broker is away."""
        self._listening_since.clear()

    def _routine(self, key: Key, now_s: float, read: bool) -> list[Send]:
        since = self._listening_since.get(key[0])
        if since is None or not read:
            self._all.add(key, int(now_s + AGAIN_S))
            return []
        heard_ms = self._heard_ms(key)
        silent_at = max(heard_ms / 1_000, since) + self._silent_after_s
        if now_s < silent_at:
            self._all.add(key, int(silent_at) + 1)
            return []
        self._attend(key, int(now_s + AGAIN_S), parked=True)
        if self._known(key).silent:
            return []
        return [self._send(key, Silent(device=key[1].decode(), heard=instant(heard_ms)))]

    def _attended(self, key: Key, parked: bool, now_s: float, read: bool) -> list[Send]:
        watched, again = self._known(key), int(now_s + AGAIN_S)
        heard = max(instant(self._heard_ms(key)), watched.heard or instant(0))
        if not read:
            self._attend(key, again, parked=parked)
            return []
        if watched.silent and watched.heard is not None and heard > watched.heard:
            self._attend(key, again, parked=parked)
            return [self._send(key, Heard(device=key[1].decode(), heard=heard))]
        if parked and not watched.silent:
            self._all.add(key, int(now_s))
            parked = False
        wake = None if watched.state.wake is None else watched.state.wake.timestamp()
        if wake is not None and wake <= now_s:
            self._attend(key, int(now_s) + 1, parked=parked)
            return [self._send(key, LivenessTick(device=key[1].decode(), heard=heard))]
        if watched.silent or wake is not None:
            self._attend(key, None if wake is None else int(wake) + 1, parked=parked)
        else:
            del self._attention[key]
        return []

    def _attend(self, key: Key, second: int | None, *, parked: bool | None = None) -> None:
        """Look at ``key`` in ``second``; None: when something is heard of it."""
        if parked is None:
            parked = key in self._attention and self._attention[key].parked
        wanted = Attention(second, parked)
        if self._attention.get(key) == wanted:  # it is on the wheel there
            return
        self._attention[key] = wanted
        if second is not None:
            self._soon.add(key, second)

    def _known(self, key: Key) -> Watched:
        _, state = self._watched.read(*key)
        return Watched() if state is None else machine.read(state)

    def _heard_ms(self, key: Key) -> int:
        stored = (table.read(*key)[1] for table in self._heard_on)
        return max(
            (entries.read(each).appended_ms for each in stored if each is not None), default=0
        )

    @staticmethod
    def _send(key: Key, event: LivenessEvent) -> Send:
        return Send(topics.LIVENESS, key[1], codec.encode(event), key[0])
