"""Statements about passkeys, API tokens, invitations and forgotten passwords. The caller owns the transaction."""

import json

from sqlalchemy import Connection, delete, select

from custodes.adapters.sql.people import read_scope, write_scope
from custodes.adapters.sql.statements import insert_into
from custodes.adapters.sql.tables import API_TOKEN, INVITATION, PASSKEY, PASSWORD_RESET
from custodes.errors import AlreadyExists
from custodes.ports.catalog import ApiToken, Invitation, Passkey, PasswordReset
from custodes.types.access import DutyHours, Role
from custodes.units import Ns


def _roles(roles: frozenset[Role]) -> str:
    return json.dumps(sorted(role.value for role in roles))


def _read_roles(text: str) -> frozenset[Role]:
    return frozenset(Role(name) for name in json.loads(text))


def put_invitation(connection: Connection, invitation: Invitation) -> None:
    """Create or replace by token hash."""
    values = {
        "token_hash": invitation.token_hash,
        "name": invitation.name,
        "roles": _roles(invitation.roles),
        "cameras": write_scope(invitation.cameras),
        "duty_from": invitation.duty.from_minute,
        "duty_until": invitation.duty.until_minute,
        "invited_by": invitation.invited_by,
        "expires_ns": invitation.expires_ns,
    }
    connection.execute(
        insert_into(connection, INVITATION)
        .values(values)
        .on_conflict_do_update(index_elements=["token_hash"], set_=values)
    )


def take_invitation(connection: Connection, token_hash: bytes, now_ns: Ns) -> Invitation | None:
    """Read and delete; expired ones go, too."""
    connection.execute(delete(INVITATION).where(INVITATION.c.expires_ns <= now_ns))
    row = connection.execute(
        delete(INVITATION).where(INVITATION.c.token_hash == token_hash).returning(*INVITATION.c)
    ).one_or_none()
    if row is None:
        return None
    return Invitation(
        token_hash=row.token_hash,
        name=row.name,
        roles=_read_roles(row.roles),
        cameras=read_scope(row.cameras),
        duty=DutyHours(from_minute=row.duty_from, until_minute=row.duty_until),
        invited_by=row.invited_by,
        expires_ns=Ns(row.expires_ns),
    )


def put_reset(connection: Connection, reset: PasswordReset) -> None:
    """An earlier one of the same account goes."""
    connection.execute(delete(PASSWORD_RESET).where(PASSWORD_RESET.c.user_id == reset.user_id))
    values = {column.name: getattr(reset, column.name) for column in PASSWORD_RESET.c}
    connection.execute(PASSWORD_RESET.insert().values(values))


def take_reset(connection: Connection, token_hash: bytes, now_ns: Ns) -> PasswordReset | None:
    """Read and delete; expired ones go, too."""
    connection.execute(delete(PASSWORD_RESET).where(PASSWORD_RESET.c.expires_ns <= now_ns))
    row = connection.execute(
        delete(PASSWORD_RESET).where(PASSWORD_RESET.c.token_hash == token_hash).returning(*PASSWORD_RESET.c)
    ).one_or_none()
    return None if row is None else PasswordReset(**row._asdict())


def put_passkey(connection: Connection, passkey: Passkey) -> None:
    """Raises: AlreadyExists if the credential is another person's."""
    owner = connection.scalar(select(PASSKEY.c.user_id).where(PASSKEY.c.credential_id == passkey.credential_id))
    if owner is not None and owner != passkey.user_id:
        raise AlreadyExists("that passkey belongs to somebody else")
    values = {column.name: getattr(passkey, column.name) for column in PASSKEY.c}
    connection.execute(
        insert_into(connection, PASSKEY)
        .values(values)
        .on_conflict_do_update(index_elements=["credential_id"], set_=values)
    )


def read_passkeys(connection: Connection) -> list[Passkey]:
    """By creation."""
    rows = connection.execute(select(PASSKEY).order_by(PASSKEY.c.created_ns, PASSKEY.c.credential_id))
    return [Passkey(**row._asdict()) for row in rows]


def remove_passkey(connection: Connection, credential_id: bytes) -> None:
    """Idempotent."""
    connection.execute(delete(PASSKEY).where(PASSKEY.c.credential_id == credential_id))


def put_api_token(connection: Connection, token: ApiToken, now_ns: Ns) -> None:
    """Store, and forget the expired ones on the way."""
    connection.execute(delete(API_TOKEN).where(API_TOKEN.c.expires_ns <= now_ns))
    values = {column.name: getattr(token, column.name) for column in API_TOKEN.c} | {"roles": _roles(token.roles)}
    connection.execute(
        insert_into(connection, API_TOKEN)
        .values(values)
        .on_conflict_do_update(index_elements=["token_id"], set_=values)
    )


def read_api_tokens(connection: Connection) -> list[ApiToken]:
    """By creation."""
    rows = connection.execute(select(API_TOKEN).order_by(API_TOKEN.c.created_ns, API_TOKEN.c.token_id))
    return [ApiToken(**{**row._asdict(), "roles": _read_roles(row.roles)}) for row in rows]


def remove_api_token(connection: Connection, token_id: str) -> None:
    """Idempotent."""
    connection.execute(delete(API_TOKEN).where(API_TOKEN.c.token_id == token_id))
