"""Statements about cameras' configuration, accounts and logins. The caller owns the transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, select, update

from custodes.adapters.sql import frame_shapes
from custodes.adapters.sql.statements import insert_into
from custodes.adapters.sql.tables import ACCOUNT, CAMERA, LOGIN
from custodes.errors import AlreadyExists, DataLoss, NotFound
from custodes.ports.catalog import Account, LoginSession
from custodes.types.access import ALL_CAMERAS, CameraScope, DutyHours, Role
from custodes.types.message import CameraSpec
from custodes.types.scene import CameraScene
from custodes.types.stream import SecondStream
from custodes.types.vision import DetectArea
from custodes.units import CameraId, Ns

_CAMERA_FIELDS = ("name", "url", "username", "password_ref", "transport", "is_enabled", "is_looped", "retention_h")
"""Columns whose value is that of the field; `scene` is JSON beside them."""


def put_cameras(connection: Connection, cameras: Sequence[CameraSpec], *, is_exclusive: bool) -> list[CameraId]:
    """Returns the ids whose row is not as before."""
    before = {spec.camera_id: spec for spec in read_cameras(connection)}
    wanted = {spec.camera_id: spec for spec in cameras}
    if is_exclusive:
        for camera_id, spec in before.items():
            wanted.setdefault(camera_id, _disabled(spec))
    changed = [camera_id for camera_id, spec in wanted.items() if before.get(camera_id) != spec]
    if changed:
        statement = insert_into(connection, CAMERA)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[CAMERA.c.camera_id],
                set_={name: statement.excluded[name] for name in (*_CAMERA_FIELDS, "detect_areas", "scene", "second")},
            ),
            [_camera_row(wanted[camera_id]) for camera_id in changed],
        )
    return sorted(changed)


def _camera_row(spec: CameraSpec) -> dict[str, object]:
    fields = {name: getattr(spec, name) for name in _CAMERA_FIELDS}
    packed = {
        "detect_areas": msgspec.json.encode(spec.detect_areas).decode(),
        "scene": msgspec.json.encode(spec.scene).decode() if spec.scene != CameraScene() else "",
        "second": "" if spec.second is None else msgspec.json.encode(spec.second).decode(),
    }
    return {"camera_id": spec.camera_id} | packed | fields


def _disabled(spec: CameraSpec) -> CameraSpec:
    return replace(spec, is_enabled=False)


def remove_camera(connection: Connection, camera_id: CameraId) -> None:
    """Raises: NotFound."""
    if not connection.execute(delete(CAMERA).where(CAMERA.c.camera_id == camera_id)).rowcount:
        raise NotFound(f"no camera {camera_id}")
    frame_shapes.forget_frame_shape(connection, camera_id)


def read_cameras(connection: Connection) -> list[CameraSpec]:
    """By id."""
    return [
        CameraSpec(
            camera_id=CameraId(row.camera_id),
            name=row.name,
            url=row.url,
            username=row.username,
            password_ref=row.password_ref,
            transport=row.transport,
            is_enabled=row.is_enabled,
            is_looped=row.is_looped,
            retention_h=row.retention_h,
            detect_areas=msgspec.json.decode(row.detect_areas, type=tuple[DetectArea, ...]),
            scene=_scene(row.scene, row.camera_id),
            second=_second(row.second, row.camera_id),
        )
        for row in connection.execute(select(CAMERA).order_by(CAMERA.c.camera_id))
    ]


def _scene(packed: str, camera_id: str) -> CameraScene:
    if not packed:
        return CameraScene()
    try:
        return msgspec.json.decode(packed, type=CameraScene)
    except msgspec.MsgspecError as error:
        raise DataLoss(f"ground and lines of camera {camera_id} in the catalog are damaged: {error}") from error


def _second(packed: str, camera_id: str) -> SecondStream | None:
    try:
        return msgspec.json.decode(packed, type=SecondStream) if packed else None
    except msgspec.MsgspecError as error:
        raise DataLoss(f"the second stream of camera {camera_id} in the catalog is damaged: {error}") from error


def put_account(connection: Connection, account: Account) -> None:
    """Names are unique without regard to case, so that nobody is taken for another. Raises: AlreadyExists."""
    folded = account.name.casefold()
    owner = connection.scalar(select(ACCOUNT.c.user_id).where(ACCOUNT.c.name_folded == folded))
    if owner is not None and owner != account.user_id:
        raise AlreadyExists(f"an account named {account.name!r} is there already")
    statement = insert_into(connection, ACCOUNT).values(
        user_id=account.user_id,
        name=account.name,
        name_folded=folded,
        password_hash=account.password_hash,
        roles=json.dumps(sorted(role.value for role in account.roles)),
        created_ns=account.created_ns,
        cameras=write_scope(account.cameras),
        duty_from=account.duty.from_minute,
        duty_until=account.duty.until_minute,
        is_disabled=account.is_disabled,
        totp_secret=account.totp_secret,
        totp_step=account.totp_step,
        totp_sealed=account.totp_sealed or None,
        oidc_subject=account.oidc_subject,
        language=account.language,
    )
    mutable = [column.name for column in ACCOUNT.c if column.name != "user_id"]
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[ACCOUNT.c.user_id], set_={name: statement.excluded[name] for name in mutable}
        )
    )


def keep_sealed(connection: Connection, sealed: Mapping[str, bytes]) -> None:
    """Secrets of authenticator apps in sealed form, in place of the bare ones."""
    for user_id, sealed_secret in sealed.items():
        connection.execute(
            update(ACCOUNT)
            .where(ACCOUNT.c.user_id == user_id, ACCOUNT.c.totp_secret != "")
            .values(totp_sealed=sealed_secret, totp_secret="")
        )


def read_accounts(connection: Connection) -> list[Account]:
    """By name."""
    return [_account(row) for row in connection.execute(select(ACCOUNT).order_by(ACCOUNT.c.name))]


def read_account(connection: Connection, user_id: str) -> Account | None:
    """That one, or None."""
    row = connection.execute(select(ACCOUNT).where(ACCOUNT.c.user_id == user_id)).one_or_none()
    return None if row is None else _account(row)


def _account(row: Row[Any]) -> Account:
    return Account(
        user_id=row.user_id,
        name=row.name,
        password_hash=row.password_hash,
        roles=frozenset(Role(name) for name in json.loads(row.roles)),
        created_ns=Ns(row.created_ns),
        cameras=read_scope(row.cameras),
        duty=DutyHours(from_minute=row.duty_from, until_minute=row.duty_until),
        is_disabled=row.is_disabled,
        totp_secret=row.totp_secret,
        totp_step=row.totp_step,
        totp_sealed=row.totp_sealed or b"",
        oidc_subject=row.oidc_subject,
        language=row.language,
    )


def put_session(connection: Connection, session: LoginSession, now_ns: Ns) -> None:
    """Store, and forget the expired ones on the way."""
    connection.execute(delete(LOGIN).where(LOGIN.c.expires_ns <= now_ns))
    statement = insert_into(connection, LOGIN).values(_login_row(session))
    mutable = [column.name for column in LOGIN.c if column.name != "token_hash"]
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[LOGIN.c.token_hash], set_={name: statement.excluded[name] for name in mutable}
        )
    )


def renew_session(connection: Connection, token_hash: bytes, session: LoginSession) -> bool:
    """In one statement: what ended a moment ago does not come back."""
    changed = connection.execute(update(LOGIN).where(LOGIN.c.token_hash == token_hash).values(_login_row(session)))
    return changed.rowcount == 1


def _login_row(session: LoginSession) -> dict[str, object]:
    return {
        "token_hash": session.token_hash,
        "user_id": session.user_id,
        "csrf_token": session.csrf_token,
        "created_ns": session.created_ns,
        "last_seen_ns": session.last_seen_ns,
        "expires_ns": session.expires_ns,
        "proven_ns": session.proven_ns,
        "method": session.method,
    }


def read_session(connection: Connection, token_hash: bytes, now_ns: Ns) -> LoginSession | None:
    """None when unknown or expired."""
    row = connection.execute(
        select(LOGIN).where(LOGIN.c.token_hash == token_hash, LOGIN.c.expires_ns > now_ns)
    ).one_or_none()
    return None if row is None else _session(row)


def read_sessions(connection: Connection, user_id: str, now_ns: Ns) -> list[LoginSession]:
    """Of one person, newest first; expired ones are left out."""
    wanted = select(LOGIN).where(LOGIN.c.user_id == user_id, LOGIN.c.expires_ns > now_ns)
    return [_session(row) for row in connection.execute(wanted.order_by(LOGIN.c.created_ns.desc()))]


def _session(row: Row[Any]) -> LoginSession:
    return LoginSession(
        token_hash=row.token_hash,
        user_id=row.user_id,
        csrf_token=row.csrf_token,
        created_ns=Ns(row.created_ns),
        last_seen_ns=Ns(row.last_seen_ns),
        expires_ns=Ns(row.expires_ns),
        proven_ns=Ns(row.proven_ns),
        method=row.method,
    )


def end_session(connection: Connection, token_hash: bytes) -> None:
    """Idempotent."""
    connection.execute(delete(LOGIN).where(LOGIN.c.token_hash == token_hash))


def end_sessions(connection: Connection, user_id: str) -> None:
    """All of one person; idempotent."""
    connection.execute(delete(LOGIN).where(LOGIN.c.user_id == user_id))


def write_scope(scope: CameraScope) -> str:
    """As it stands in a column; empty for all cameras."""
    return "" if scope.is_all else json.dumps(sorted(scope.camera_ids))


def read_scope(text: str) -> CameraScope:
    """What `write_scope` wrote."""
    if not text:
        return ALL_CAMERAS
    return CameraScope(is_all=False, camera_ids=frozenset(CameraId(one) for one in json.loads(text)))
