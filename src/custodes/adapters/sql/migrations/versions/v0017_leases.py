"""Leases, and under which one a segment was written."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What is there was written by a site's only recorder."""
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("renewed_ns", sa.BigInteger(), nullable=False),
        sa.Column("ttl_ns", sa.BigInteger(), nullable=False),
    )
    op.add_column("segment", sa.Column("lease_epoch", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("segment", sa.Column("is_spare", sa.Boolean(), nullable=False, server_default=sa.false()))
