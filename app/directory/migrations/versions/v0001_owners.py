"""People with addresses and a flag for each channel, and devices with owners."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "person",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
    )
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
    op.create_table("device", sa.Column("name", sa.String, primary_key=True))
    op.create_table(
        "owner",
        sa.Column(
            "device_name",
            sa.String,
            sa.ForeignKey("device.name", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column(
            "person_id", sa.String, sa.ForeignKey("person.id", ondelete="CASCADE"), primary_key=True
        ),
    )
    op.create_table(
        "revision",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("owner", "contact", "device", "person", "revision"):
        op.drop_table(table)
