"""The language of a person's pages."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """As each browser asks."""
    op.add_column("account", sa.Column("language", sa.String(), nullable=False, server_default=""))
