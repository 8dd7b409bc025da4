"""Second streams of cameras, as JSON."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Cameras of before have one stream."""
    op.add_column("camera", sa.Column("second", sa.String(), server_default="", nullable=False))
