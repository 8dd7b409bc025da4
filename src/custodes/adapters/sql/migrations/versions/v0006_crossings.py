"""What people say about a camera's picture, who crossed its lines, how good a track is."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Cameras of before have no ground and no lines."""
    op.add_column("camera", sa.Column("scene", sa.String(), server_default="", nullable=False))
    op.add_column("tracklet", sa.Column("quality", sa.Float(), server_default="0", nullable=False))
    op.create_table(
        "crossing",
        sa.Column("camera_id", sa.String(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("line", sa.String(), nullable=False),
        sa.Column("track_id", sa.BigInteger(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger(), nullable=False),
        sa.Column("object_class", sa.Integer(), nullable=False),
        sa.Column("is_forward", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("camera_id", "run", "line", "track_id", "start_ns"),
    )
    op.create_index("crossing_by_time", "crossing", ["camera_id", "start_ns"])
