"""What the activity gate did: its changes, and its miss rate by the hour."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Changes of before were in the server's log alone."""
    op.create_table(
        "gate_change",
        sa.Column("camera_id", sa.String(), nullable=False),
        sa.Column("utc_ns", sa.BigInteger(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("mode_before", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("camera_id", "utc_ns", "run"),
    )
    op.create_table(
        "gate_hour",
        sa.Column("camera_id", sa.String(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.String(), nullable=False),
        sa.Column("trials", sa.Integer(), nullable=False),
        sa.Column("missed", sa.Integer(), nullable=False),
        sa.Column("miss_low", sa.Float(), nullable=False),
        sa.Column("miss_high", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("camera_id", "start_ns"),
    )
