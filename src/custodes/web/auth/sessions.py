"""Where a person is logged in, and logging out elsewhere."""

import hashlib
import hmac
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from custodes.errors import NotFound
from custodes.types.access import AuditKind, AuditRecord
from custodes.web.deps import deps_of, present

router = APIRouter(include_in_schema=False)


def session_id(token_hash: bytes) -> str:
    """What a page calls a session: says nothing about its cookie, nor about the hash that is kept of it."""
    return hashlib.sha256(b"session on a page\n" + token_hash).hexdigest()[:16]


async def own_sessions(request: Request) -> list[dict[str, Any]]:
    """Newest first, this one marked."""
    visitor = present(request)
    return [
        {
            "id": session_id(one.token_hash),
            "method": one.method,
            "created_ns": one.created_ns,
            "last_seen_ns": one.last_seen_ns,
            "is_this": hmac.compare_digest(one.token_hash, visitor.session.token_hash),
        }
        for one in await deps_of(request).catalog.sessions(visitor.principal.user_id)
    ]


@router.post("/me/sessions/{session_id}/end")
async def end_session(request: Request, session_id: str) -> Response:
    """Log out there, at once; pictures that run there end within seconds."""
    deps, who = deps_of(request), present(request).principal
    ended = next((one for one in await deps.catalog.sessions(who.user_id) if _is(one.token_hash, session_id)), None)
    if ended is None:
        raise NotFound("There is no such session of yours.")
    await deps.catalog.end_session(ended.token_hash)
    details = {"user_id": who.user_id, "how": "ended from another session"}
    await deps.warden.append(AuditRecord(kind=AuditKind.LOGOUT, actor=who.name, subject=who.name, details=details))
    return RedirectResponse("/me", status_code=303)


@router.post("/me/sessions/end-others")
async def end_others(request: Request) -> Response:
    """Log out everywhere but here: what whoever changed a factor of theirs may want."""
    deps, visitor = deps_of(request), present(request)
    who, ended = visitor.principal, 0
    for one in await deps.catalog.sessions(who.user_id):
        if not hmac.compare_digest(one.token_hash, visitor.session.token_hash):
            await deps.catalog.end_session(one.token_hash)
            ended += 1
    details = {"user_id": who.user_id, "how": "ended from another session", "sessions": str(ended)}
    await deps.warden.append(AuditRecord(kind=AuditKind.LOGOUT, actor=who.name, subject=who.name, details=details))
    return RedirectResponse("/me", status_code=303)


def _is(token_hash: bytes, wanted: str) -> bool:
    return session_id(token_hash) == wanted
