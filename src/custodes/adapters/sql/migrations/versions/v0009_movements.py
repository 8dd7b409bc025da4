"""Tracks and crossings as columns, sightings of the enrolled, flows by hour."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def _integers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False) for name in names]


def upgrade() -> None:
    """Tracks of before are not taken over: they end with their footage."""
    op.create_table(
        "movement_name",
        sa.Column("code", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("first", sa.String(), nullable=False),
        sa.Column("second", sa.String(), nullable=False),
        sa.UniqueConstraint("kind", "first", "second"),
    )
    op.create_table(
        "column_block",
        sa.Column("block_id", sa.Integer(), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        *_integers("start_min", "start_max", "end_max", "rows"),
        sa.Column("columns", sa.LargeBinary(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("column_block_by_time", "column_block", ["kind", "start_min", "start_max", "end_max", "rows"])
    op.create_table(
        "passage_tail",
        *_integers("stream", "track_id", "start_ms", "duration_ms", "object_class", "frames", "score", "quality"),
        *_integers("first_x", "first_y", "last_x", "last_y"),
        sa.PrimaryKeyConstraint("stream", "track_id", "start_ms"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "crossing_tail",
        *_integers("stream", "line", "track_id", "start_ms", "duration_ms", "object_class", "is_forward"),
        sa.PrimaryKeyConstraint("stream", "line", "track_id", "start_ms"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sighting",
        sa.Column("subject", sa.String(), nullable=False),
        *_integers("start_ms", "stream", "track_id", "end_ms"),
        sa.Column("probability", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "start_ms", "stream", "track_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "flow_hour",
        sa.Column("start_ms", sa.BigInteger(), primary_key=True),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("columns", sa.LargeBinary(), nullable=False),
    )
