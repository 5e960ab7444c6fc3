"""Reads the directory into memory, all of it at once."""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from app.directory.models import (
    ContactRow,
    DeviceRole,
    GroupRole,
    Membership,
    PersonRow,
    Revision,
    SilenceRow,
    SuppressionRow,
)
from app.directory.snapshot import Address, Holder, Snapshot, Somebody
from app.directory.stores import People, Silences
from schemas.delivery import Channel
from tables.routing import Role

Contacts = Sequence[Row[str, str, str, int | None]]  # whose, channel, address, verified_ms


def revision(session: Session) -> int:
    """Return how often the directory was changed."""
    return session.scalar(select(Revision.number).where(Revision.id == 1)) or 0


def snapshot(session: Session) -> Snapshot:
    """Return the directory as ``session`` sees it."""
    known = revision(session)  # before the rest: what changes meanwhile is read again
    rows = session.scalars(select(SuppressionRow))
    suppressed = {(row.channel, row.address): row.reason for row in rows}
    columns = (ContactRow.person_id, ContactRow.channel, ContactRow.address, ContactRow.verified_ms)
    contacts: Contacts = session.execute(select(*columns).order_by(*columns[:3])).all()
    people = dict(_people(session, contacts, suppressed))
    return Snapshot(
        revision=known,
        people=people,
        holders=_holders(session, people, DeviceRole.device_name, DeviceRole),
        groups=_groups(session),
        of_group=_holders(session, people, GroupRole.group_name, GroupRole),
        silences=tuple(Silences().read(row) for row in session.scalars(select(SilenceRow))),
        suppressed=suppressed,
        verified_ms=_verified(contacts),
    )


def _people(
    session: Session, contacts: Contacts, suppressed: dict[tuple[str, str], str]
) -> Iterator[tuple[str, Somebody]]:
    addresses: dict[str, list[Address]] = defaultdict(list)
    for person, channel, address, verified_ms in contacts:
        reason = suppressed.get((channel, address))
        bar = f"suppressed: {reason}" if reason is not None else ""
        bar = bar or ("" if verified_ms is not None else "not verified")
        addresses[person].append(Address(Channel(channel), address, bar))
    for row in session.scalars(select(PersonRow)):
        entry = People().read(row)
        yield (
            entry.person,
            Somebody(
                name=entry.name,
                language=entry.language,
                zone=entry.zone,
                quiet=entry.hours(),
                flags={channel: entry.flags(channel) for channel in Channel},
                addresses=tuple(addresses[entry.person]),
            ),
        )


def _verified(contacts: Contacts) -> dict[tuple[str, str], int]:
    """Return when each address was last verified, by anybody whose it is."""
    last_ms: dict[tuple[str, str], int] = {}
    for _, channel, address, verified_ms in contacts:
        if verified_ms is not None:
            last_ms[channel, address] = max(last_ms.get((channel, address), 0), verified_ms)
    return last_ms


def _holders(
    session: Session, people: Container[str], on: Any, roles: type[DeviceRole | GroupRole]
) -> dict[str, tuple[Holder, ...]]:
    rows: Iterable[Any] = session.execute(
        select(on, roles.person_id, roles.role, roles.position).order_by(on, roles.person_id)
    )
    found: dict[str, list[Holder]] = defaultdict(list)
    for name, person, role, position in rows:
        if person not in people:  # added since those were read
            continue
        found[name].append(Holder(person, Role(role), position))
    return {name: tuple(holders) for name, holders in found.items()}


def _groups(session: Session) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = defaultdict(list)
    columns = (Membership.device_name, Membership.group_name)
    for device, group in session.execute(select(*columns).order_by(*columns)):
        found[device].append(group)
    return {device: tuple(groups) for device, groups in found.items()}
