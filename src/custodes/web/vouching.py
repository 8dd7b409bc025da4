"""Vouching for a new passkey of somebody who approves: which wait, and the second person's signature over one."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import JSONResponse, Response
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from custodes.access import keys
from custodes.errors import InvalidArgument, NotFound
from custodes.types.access import Action, Principal, Role
from custodes.types.approval import EnrolledKey, KeyTable, ReadKeys, VouchForKey
from custodes.web.auth.passkeys import parse_credential
from custodes.web.deps import WebDeps, deps_of, present
from custodes.web.signing import own_passkeys, sign_with_passkey

router = APIRouter(include_in_schema=False)

_APPROVERS = frozenset({Role.SUPERVISOR, Role.PRIVACY_OFFICER})
_VERIFIERS = frozenset({Role.OPERATOR, Role.INVESTIGATOR})
"""Where recognition is on, they sign verdicts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingKey:
    """A passkey of somebody who approves or verifies, for which nobody has vouched."""

    id: str
    owner: str
    fingerprint: str
    is_own: bool


async def waiting_keys(deps: WebDeps, who: Principal) -> list[WaitingKey]:
    """Those that this person may vouch for, or waits for others to. Raises: Unavailable."""
    may = any(deps.reads.may(who, action) for action in (Action.APPROVE, Action.MANAGE_PEOPLE))
    signing = _APPROVERS if deps.recogniser is None else _APPROVERS | _VERIFIERS
    names = {one.user_id: one.name for one in await deps.catalog.accounts() if one.roles & signing}
    return [
        WaitingKey(
            id=bytes_to_base64url(one.credential_id),
            owner=names[one.user_id],
            fingerprint=keys.fingerprint(one),
            is_own=one.user_id == who.user_id,
        )
        for one in await _all(deps)
        if not one.vouched_by and one.user_id in names and (may or one.user_id == who.user_id)
    ]


@router.post("/keys/{credential_id}/options")
async def vouching_options(request: Request, credential_id: str) -> Response:
    """What my passkey is to sign: the hash of the other key."""
    deps, who = deps_of(request), present(request).principal
    known = await _all(deps)
    key = next((one for one in known if one.credential_id == _id(credential_id)), None)
    if key is None:
        raise NotFound("There is no such passkey.")
    good = {one.credential_id for one in known if one.vouched_by and one.user_id == who.user_id}
    own = [one for one in await own_passkeys(request) if one.credential_id in good]
    if not own:
        raise InvalidArgument("You have no passkey for this page that somebody has vouched for.")
    return await sign_with_passkey(request, keys.digest(key), own)


@router.post("/keys/{credential_id}/vouch")
async def vouch(request: Request, credential_id: str, body: Annotated[dict[str, Any], Body()]) -> Response:
    """With the signature over its hash."""
    message = VouchForKey(
        principal=present(request).principal,
        credential_id=_id(credential_id),
        assertion=parse_credential(body.get("credential")),
    )
    await deps_of(request).warden.about_requests(message)
    return JSONResponse({"to": "/requests"})


async def _all(deps: WebDeps) -> tuple[EnrolledKey, ...]:
    table = await deps.warden.about_requests(ReadKeys())
    assert isinstance(table, KeyTable)
    return table.keys


def _id(text: str) -> bytes:
    try:
        return base64url_to_bytes(text[:1400])
    except ValueError as error:
        raise NotFound("There is no such passkey.") from error
