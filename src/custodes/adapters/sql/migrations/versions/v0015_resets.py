"""Sealed second factors, and links that set a forgotten password anew."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Secrets of before stay where they are until the server starts and has the warden seal them."""
    op.add_column("account", sa.Column("totp_sealed", sa.LargeBinary(), nullable=True))
    op.create_table(
        "password_reset",
        sa.Column("token_hash", sa.LargeBinary(), primary_key=True),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("forgets_code", sa.Boolean(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
    )
