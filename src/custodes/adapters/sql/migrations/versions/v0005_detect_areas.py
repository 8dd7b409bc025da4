"""Detection zones and object masks of cameras, as JSON."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Cameras of before have none: everything counts everywhere."""
    op.add_column("camera", sa.Column("detect_areas", sa.String(), server_default="[]", nullable=False))
