"""How large and how wide each camera's pictures are."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """None yet; a camera's first status tells."""
    op.create_table(
        "frame_shape",
        sa.Column("camera_id", sa.String(), primary_key=True),
        sa.Column("width_px", sa.Integer(), nullable=False),
        sa.Column("height_px", sa.Integer(), nullable=False),
        sa.Column("pixel_aspect", sa.Float(), nullable=False),
    )
