"""The tables of the directory."""

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """The metadata of the directory's tables."""


class Person(Base):
    """Somebody who may be told."""

    __tablename__ = "person"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    contacts: Mapped[list["ContactRow"]] = relationship(
        cascade="all, delete-orphan", order_by="ContactRow.channel, ContactRow.address"
    )


class ContactRow(Base):
    """One address of a person. enabled: the flag of its channel."""

    __tablename__ = "contact"
    __table_args__ = (UniqueConstraint("person_id", "channel", "address"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id", ondelete="CASCADE"))
    channel: Mapped[str]
    address: Mapped[str]
    enabled: Mapped[bool] = mapped_column(default=True)


class Device(Base):
    """A device that somebody owns."""

    __tablename__ = "device"

    name: Mapped[str] = mapped_column(primary_key=True)
    owners: Mapped[list[Person]] = relationship(secondary="owner", order_by=Person.id)


class Owner(Base):
    """Who owns what."""

    __tablename__ = "owner"

    device_name: Mapped[str] = mapped_column(
        ForeignKey("device.name", ondelete="CASCADE"), primary_key=True
    )
    person_id: Mapped[str] = mapped_column(
        ForeignKey("person.id", ondelete="CASCADE"), primary_key=True
    )


class Revision(Base):
    """One row: how often the directory was changed."""

    __tablename__ = "revision"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
