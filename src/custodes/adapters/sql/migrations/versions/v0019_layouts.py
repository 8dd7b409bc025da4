"""Layouts of the wall that people keep at the site."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """None yet; browsers hand over those that they kept."""
    op.create_table(
        "wall_layout",
        sa.Column("layout_id", sa.String(), primary_key=True),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("cameras", sa.String(), nullable=False),
        sa.Column("tiles", sa.Integer(), nullable=False),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
    )
