"""The plan of the site: floors with pictures, cameras, ways."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Empty; people draw it."""
    op.create_table(
        "site_layout",
        sa.Column("version", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("utc_ns", sa.BigInteger(), nullable=False),
        sa.Column("editor", sa.String(), nullable=False),
        sa.Column("encoded", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "floor_plan",
        sa.Column("sha256", sa.String(), primary_key=True),
        sa.Column("jpeg", sa.LargeBinary(), nullable=False),
    )
