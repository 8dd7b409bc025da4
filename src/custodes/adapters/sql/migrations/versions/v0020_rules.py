"""Rules that were written on the page."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """None yet; those of site.yaml stay there."""
    op.create_table(
        "rule_book",
        sa.Column("version", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("utc_ns", sa.BigInteger(), nullable=False),
        sa.Column("editor", sa.String(), nullable=False),
        sa.Column("encoded", sa.LargeBinary(), nullable=False),
    )
