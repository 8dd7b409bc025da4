"""People: camera scope, duty hours, second factor, passkeys, API tokens, invitations."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _column(name: str, kind: Any, default: str) -> sa.Column[Any]:
    return sa.Column(name, kind, server_default=default, nullable=False)


def upgrade() -> None:
    """Accounts of before keep all cameras and all hours."""
    for name, kind, default in (
        ("cameras", sa.String(), ""),
        ("duty_from", sa.Integer(), "0"),
        ("duty_until", sa.Integer(), "1440"),
        ("is_disabled", sa.Boolean(), "0"),
        ("totp_secret", sa.String(), ""),
        ("totp_step", sa.BigInteger(), "0"),
        ("oidc_subject", sa.String(), ""),
    ):
        op.add_column("account", _column(name, kind, default))
    op.add_column("login", _column("proven_ns", sa.BigInteger(), "0"))
    op.add_column("login", _column("method", sa.String(), "password"))
    op.create_table(
        "passkey",
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("rp_id", sa.String(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("credential_id"),
    )
    op.create_table(
        "api_token",
        sa.Column("token_id", sa.String(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("roles", sa.String(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_id"),
        sa.UniqueConstraint("token_hash"),
    )
    op.create_table(
        "invitation",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("roles", sa.String(), nullable=False),
        sa.Column("cameras", sa.String(), nullable=False),
        sa.Column("duty_from", sa.Integer(), nullable=False),
        sa.Column("duty_until", sa.Integer(), nullable=False),
        sa.Column("invited_by", sa.String(), nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash"),
    )
