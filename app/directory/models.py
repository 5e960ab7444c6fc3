"""The tables of the directory. ``migrations/`` makes them; instants are ms after 1970 began."""

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Integer
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, mapped_column, relationship

CASCADE = "all, delete-orphan"


def _part_of(column: str, *, key: bool = True) -> MappedColumn[Any]:
    """Return a column that names a row of another table, and goes when that goes."""
    return mapped_column(ForeignKey(column, ondelete="CASCADE"), primary_key=key)


class Base(DeclarativeBase):
    """The metadata of the directory's tables."""


class PersonRow(Base):
    """Somebody who may be told. The columns are those of ``entries.Person``."""

    __tablename__ = "person"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    language: Mapped[str]
    zone: Mapped[str]
    quiet: Mapped[str]
    email: Mapped[str]
    sms: Mapped[str]
    push: Mapped[str]


class ContactRow(Base):
    """One address of a person.

    code_hash: of the code that shows whose it is. code_until_ms: for how long that can be shown.
    code_tries: how often it was tried in vain.
    """

    __tablename__ = "contact"

    person_id: Mapped[str] = _part_of("person.id")
    channel: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)
    verified_ms: Mapped[int | None] = mapped_column(BigInteger)
    code_hash: Mapped[str | None]
    code_until_ms: Mapped[int | None] = mapped_column(BigInteger)
    code_tries: Mapped[int] = mapped_column(default=0)


class SuppressionRow(Base):
    """An address to which nothing is sent, whoever's it is: it is gone, or wants no more."""

    __tablename__ = "suppression"

    channel: Mapped[str] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    at_ms: Mapped[int] = mapped_column(BigInteger)


class DeviceRow(Base):
    """A device."""

    __tablename__ = "device"

    name: Mapped[str] = mapped_column(primary_key=True)
    roles: Mapped[list["DeviceRole"]] = relationship(cascade=CASCADE, lazy="selectin")
    groups: Mapped[list["Membership"]] = relationship(cascade=CASCADE, lazy="selectin")


class GroupRow(Base):
    """Devices that have something in common."""

    __tablename__ = "device_group"

    name: Mapped[str] = mapped_column(primary_key=True)
    roles: Mapped[list["GroupRole"]] = relationship(cascade=CASCADE, lazy="selectin")


class Membership(Base):
    """Which device is in which group."""

    __tablename__ = "membership"

    device_name: Mapped[str] = _part_of("device.name")
    group_name: Mapped[str] = _part_of("device_group.name")


class _Role:
    """What somebody is to something. position: among those of the role, the lowest first."""

    person_id: Mapped[str] = _part_of("person.id")
    role: Mapped[str]
    position: Mapped[int]


class DeviceRole(_Role, Base):
    """What somebody is to a device."""

    __tablename__ = "device_role"

    device_name: Mapped[str] = _part_of("device.name")


class GroupRole(_Role, Base):
    """What somebody is to each device of a group."""

    __tablename__ = "group_role"

    group_name: Mapped[str] = _part_of("device_group.name")


class SilenceRow(Base):
    """Nothing is told until then; see ``entries.Silence``."""

    __tablename__ = "silence"

    id: Mapped[str] = mapped_column(primary_key=True)
    device_name: Mapped[str | None] = _part_of("device.name", key=False)
    group_name: Mapped[str | None] = _part_of("device_group.name", key=False)
    rule: Mapped[str]
    until_ms: Mapped[int] = mapped_column(BigInteger)
    author: Mapped[str]
    reason: Mapped[str]


class ChangeRow(Base):
    """What was changed, and by whom. before, after: the entry as JSON; empty: there was none."""

    __tablename__ = "change"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    author: Mapped[str]
    what: Mapped[str]
    key: Mapped[str]
    before: Mapped[str]
    after: Mapped[str]


class Revision(Base):
    """One row: how often the directory was changed."""

    __tablename__ = "revision"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
