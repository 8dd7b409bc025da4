"""Retention: garbage, holds, keys to shred, and how long each camera's recordings are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what deleting needs; rows of version 1 stay as they are."""
    op.add_column("camera", sa.Column("retention_h", sa.Float(), server_default="0", nullable=False))
    op.create_table(
        "garbage",
        sa.Column("segment_id", sa.String(), nullable=False),
        sa.Column("camera_id", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger(), nullable=False),
        sa.Column("bytes_on_disk", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("is_logged", sa.Boolean(), nullable=False),
        sa.Column("is_gone", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("segment_id"),
    )
    op.create_table(
        "hold",
        sa.Column("hold_id", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("camera_id", sa.String(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hold_id"),
    )
    op.create_index("hold_by_camera", "hold", ["camera_id"], unique=False)
    op.create_table("shred", sa.Column("key_id", sa.String(), nullable=False), sa.PrimaryKeyConstraint("key_id"))
    op.create_index("segment_by_age", "segment", ["is_sealed", "start_ns", "end_ns", "bytes_on_disk"], unique=False)
    op.create_index("segment_by_key", "segment", ["key_id"], unique=False)
