"""The directory in memory: one street's outage asks for ten thousand devices at once."""

from collections.abc import Collection, Mapping
from datetime import datetime

import msgspec

from app.directory.entries import Flags, Silence
from schemas.decision import Severity
from schemas.delivery import Channel, Quiet, Silenced, Terms
from schemas.record import instant
from tables.routing import Reach, Recipient, Role, Voice, When

NEAREST = (Role.OWNER, Role.WATCHER, Role.OPERATOR)


class Address(msgspec.Struct, frozen=True, gc=False):
    """One address of somebody. bar: why nothing is sent there, or empty."""

    channel: Channel
    address: str
    bar: str = ""


class Somebody(msgspec.Struct, frozen=True):
    """A person, as is asked for when something is to be told."""

    name: str
    language: str
    zone: str
    quiet: Quiet | None
    flags: Mapping[Channel, Flags]
    addresses: tuple[Address, ...]


class Holder(msgspec.Struct, frozen=True, gc=False):
    """What somebody is to a device or a group. position: the lower is asked first."""

    person: str
    role: Role
    position: int


class Considered(msgspec.Struct, frozen=True):
    """How somebody could be told. why_not: why that is not done, or empty."""

    reach: Reach
    why_not: str = ""


class Snapshot(msgspec.Struct, frozen=True):
    """The directory as it was at one revision.

    holders, groups: by device. of_group: holders, by group. suppressed: why, by address.
    verified_ms: when last, by address.
    """

    revision: int = 0
    people: Mapping[str, Somebody] = {}
    holders: Mapping[str, tuple[Holder, ...]] = {}
    groups: Mapping[str, tuple[str, ...]] = {}
    of_group: Mapping[str, tuple[Holder, ...]] = {}
    silences: tuple[Silence, ...] = ()
    suppressed: Mapping[tuple[str, str], str] = {}
    verified_ms: Mapping[tuple[str, str], int] = {}

    def consider(
        self, device: str, severity: Severity, channels: Collection[Channel]
    ) -> tuple[Considered, ...]:
        """Return everybody who has to do with ``device``, by each address, and what bars them.

        channels: those by which what is told may travel.
        """
        found = []
        for holder in self._holders(device):
            somebody = self.people[holder.person]
            for each in somebody.addresses:
                when = somebody.flags[each.channel][severity]
                bar = each.bar
                if each.channel not in channels:
                    bar = f"the rule does not tell by {each.channel}"
                elif not bar and when is When.NEVER:
                    bar = f"never by {each.channel} when it is {severity}"
                to = Recipient(holder.person, each.channel, each.address)
                found.append(Considered(Reach(to, holder.role, holder.position, when), bar))
        return tuple(found)

    def reach(
        self, device: str, severity: Severity, channels: Collection[Channel]
    ) -> tuple[Reach, ...]:
        """Return how everybody can be told of something on ``device``."""
        considered = self.consider(device, severity, channels)
        return tuple(each.reach for each in considered if not each.why_not)

    def roles(self, device: str) -> dict[str, Role]:
        """Return what people are to ``device``, by person, also who cannot be told."""
        return {each.person: each.role for each in self._holders(device)}

    def holder_of(self, device: str, number: str) -> str:
        """Return whose ``number`` it is among those of ``device``; else the number itself."""
        for holder in self._holders(device):
            for each in self.people[holder.person].addresses:
                if each.channel is Channel.SMS and each.address == number:
                    return holder.person
        return number

    def voice(self, person: str) -> Voice:
        """Return how ``person`` is told."""
        somebody = self.people.get(person)
        return Voice() if somebody is None else Voice(somebody.language, somebody.zone)

    def terms(
        self, to: Recipient, device: str, rule: str, now: datetime, grouping_s: float
    ) -> Terms:
        """Return the terms on which ``to`` is told of ``rule`` on ``device`` now.

        grouping_s: for how long a second message waits, so that it takes others along.
        """
        somebody, address = self.people.get(to.person), (to.channel.value, to.address)
        verified_ms = self.verified_ms.get(address)
        return Terms(
            quiet=None if somebody is None else somebody.quiet,
            silenced=self.silenced(device, rule, now),
            grouping=grouping_s,
            barred=self.suppressed.get(address, ""),
            verified=None if verified_ms is None else instant(verified_ms),
        )

    def silenced(self, device: str, rule: str, now: datetime) -> Silenced | None:
        """Return the silence of ``rule`` on ``device`` that lasts longest from ``now`` on."""
        groups = self.groups.get(device, ())
        lasting = [
            each for each in self.silences if each.until > now and each.covers(device, groups, rule)
        ]
        if not lasting:
            return None
        last = max(lasting, key=lambda each: each.until)
        return Silenced(last.silence, last.until, last.author, self.revision)

    def _holders(self, device: str) -> tuple[Holder, ...]:
        """Return who has to do with ``device``, each once: by its own roles, else by its groups'.

        Of several roles by groups, the nearest counts.
        """
        own = self.holders.get(device, ())
        if not (groups := self.groups.get(device)):
            return own
        by_groups = [each for group in groups for each in self.of_group.get(group, ())]
        by_groups.sort(key=lambda each: (NEAREST.index(each.role), each.position, each.person))
        nearest: dict[str, Holder] = {each.person: each for each in own}
        for each in by_groups:
            nearest.setdefault(each.person, each)
        return tuple(nearest.values())
