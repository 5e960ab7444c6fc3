"""Roles, groups, flags by severity, quiet hours, verified addresses, silences, changes.

Addresses that were used before count as verified; where none of a channel was, it is off, and those
that were off beside others have to be verified. Going back, who is no owner, and what is new, is
lost; a flag that is not ``never`` for everything is on.
"""

import time

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CHANNELS = ("email", "sms", "push")
NEW_OF_PERSON = {"language": "en", "zone": "UTC", "quiet": ""} | dict.fromkeys(CHANNELS, "always")


def upgrade() -> None:
    """Add what is new, and take what was there along."""
    for name, default in NEW_OF_PERSON.items():
        op.add_column("person", sa.Column(name, sa.String, nullable=False, server_default=default))
    for channel in CHANNELS:
        op.execute(
            f"UPDATE person SET {channel} = 'never' WHERE EXISTS ({_contact(channel)}) "  # noqa: S608 - no name comes from outside
            f"AND NOT EXISTS ({_contact(channel)} AND enabled)"
        )
    _new_contacts()
    _new_roles()
    _new_tables()
    _changed()
    op.execute(
        "INSERT INTO revision (id, number) "
        "SELECT 1, 0 WHERE NOT EXISTS (SELECT 1 FROM revision WHERE id = 1)"
    )


def _contact(channel: str) -> str:
    return f"SELECT 1 FROM contact WHERE person_id = person.id AND channel = '{channel}'"  # noqa: S608 - as above


def _changed() -> None:
    """Let those who hold a snapshot read all of it again."""
    op.execute("UPDATE revision SET number = number + 1")


def _new_roles() -> None:
    op.create_table("device_group", sa.Column("name", sa.String, primary_key=True))
    op.create_table("membership", _of("device"), _of("device_group", "group_name"))
    for on in ("device", "group"):
        table = "device" if on == "device" else "device_group"
        op.create_table(
            f"{on}_role",
            _of(table, f"{on}_name"),
            _of("person"),
            sa.Column("role", sa.String, nullable=False),
            sa.Column("position", sa.Integer, nullable=False),
        )
    op.execute(
        "INSERT INTO device_role (device_name, person_id, role, position) "
        "SELECT device_name, person_id, 'owner', 0 FROM owner"
    )
    op.drop_table("owner")


def _new_tables() -> None:
    op.create_table(
        "silence",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("device_name", sa.String, sa.ForeignKey("device.name", ondelete="CASCADE")),
        sa.Column("group_name", sa.String, sa.ForeignKey("device_group.name", ondelete="CASCADE")),
        sa.Column("rule", sa.String, nullable=False),
        sa.Column("until_ms", sa.BigInteger, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("reason", sa.String, nullable=False),
    )
    op.create_table(
        "suppression",
        sa.Column("channel", sa.String, primary_key=True),
        sa.Column("address", sa.String, primary_key=True),
        sa.Column("reason", sa.String, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "change",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        *(
            sa.Column(name, sa.String, nullable=False)
            for name in ("author", "what", "key", "before", "after")
        ),
    )


def downgrade() -> None:
    """Leave what the version before has a place for."""
    _old_contacts()
    for table in ("change", "suppression", "silence", "group_role", "membership", "device_group"):
        op.drop_table(table)
    op.create_table("owner", _of("device"), _of("person"))
    op.execute(
        "INSERT INTO owner (device_name, person_id) "
        "SELECT device_name, person_id FROM device_role WHERE role = 'owner'"
    )
    op.drop_table("device_role")
    for name in NEW_OF_PERSON:
        op.drop_column("person", name)
    _changed()


def _new_contacts() -> None:
    op.rename_table("contact", "contact_before")
    op.create_table(
        "contact",
        _of("person"),
        sa.Column("channel", sa.String, primary_key=True),
        sa.Column("address", sa.String, primary_key=True),
        sa.Column("verified_ms", sa.BigInteger),
        sa.Column("code_hash", sa.String),
        sa.Column("code_until_ms", sa.BigInteger),
        sa.Column("code_tries", sa.Integer, nullable=False, server_default="0"),
    )
    op.execute(
        sa.text(
            "INSERT INTO contact (person_id, channel, address, verified_ms) "
            "SELECT person_id, channel, address, CASE WHEN enabled OR NOT EXISTS (SELECT 1 "
            "FROM contact_before AS other WHERE other.person_id = contact_before.person_id "
            "AND other.channel = contact_before.channel AND other.enabled) THEN :now END "
            "FROM contact_before"
        ).bindparams(sa.bindparam("now", int(time.time() * 1_000), sa.BigInteger))
    )
    op.drop_table("contact_before")


def _old_contacts() -> None:
    op.rename_table("contact", "contact_after")
    op.create_table(
        "contact",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "person_id", sa.String, sa.ForeignKey("person.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.UniqueConstraint("person_id", "channel", "address"),
    )
    flag = " ".join(f"WHEN '{channel}' THEN person.{channel}" for channel in CHANNELS)
    op.execute(
        "INSERT INTO contact (person_id, channel, address, enabled) "  # noqa: S608 - as above
        f"SELECT person_id, channel, address, (CASE channel {flag} END) <> 'never' "
        "AND NOT EXISTS (SELECT 1 FROM suppression WHERE suppression.channel = "
        "contact_after.channel AND suppression.address = contact_after.address) "
        "FROM contact_after JOIN person ON person.id = person_id "
        "WHERE verified_ms IS NOT NULL ORDER BY person_id, channel, address"
    )
    op.drop_table("contact_after")


def _of(table: str, column: str = "") -> "sa.Column[str]":
    key = "id" if table == "person" else "name"
    return sa.Column(
        column or f"{table}_{key}",
        sa.String,
        sa.ForeignKey(f"{table}.{key}", ondelete="CASCADE"),
        primary_key=True,
    )
