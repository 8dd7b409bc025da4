"""What a centre is to be told."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Empty; it fills from when a site shares something."""
    op.create_table(
        "outbox",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("encoded", sa.LargeBinary(), nullable=False),
        sa.Column("tip", sa.LargeBinary(), nullable=False),
    )
