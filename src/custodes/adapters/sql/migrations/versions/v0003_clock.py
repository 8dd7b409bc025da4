"""How well a segment's times are known, and how long it is by the stream's own clock."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns; of segments recorded before, nothing is known."""
    op.add_column("segment", sa.Column("media_ns", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("segment", sa.Column("clock_source", sa.String(), server_default="unknown", nullable=False))
    op.add_column("segment", sa.Column("clock_error_ns", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("segment", sa.Column("camera_offset_ns", sa.BigInteger(), nullable=True))
