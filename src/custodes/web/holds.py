"""Evidence holds of a camera: who has some, place one, release one. Each act is decided by the warden for its purpose.

The rules of a hold itself (owner, reason, expiry) are `app.serving.holds`'; here the owner is whoever is logged in.
"""

import secrets
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from custodes.access.grants import granted_from
from custodes.errors import InvalidArgument, NotFound
from custodes.types.access import AccessRequest, Action, Fidelity, Purpose, PurposeKind
from custodes.types.hold import HoldRow, PlaceHold, ReleaseHold
from custodes.units import CameraId, Ns, SessionId
from custodes.web.api import known_camera
from custodes.web.deps import deps_of, present

router = APIRouter(prefix="/api/v1/cameras/{camera_id}/holds")

MAX_SPAN_NS = 7 * 24 * 3600 * 10**9
"""Of one hold: more than a week of a camera is a decision about retention, not about a case."""

_Utc = Annotated[int, Field(ge=0, le=2**63 - 1, description="UTC nanoseconds")]
_Words = Annotated[str, Field(min_length=1, max_length=120)]


class PlaceForm(BaseModel):
    """Keep [start_ns, end_ns] until `expires_ns`, for a purpose with its reference."""

    model_config = ConfigDict(extra="forbid")
    purpose: PurposeKind
    reference: _Words
    start_ns: _Utc
    end_ns: _Utc
    expires_ns: _Utc


class ReleaseForm(BaseModel):
    """Let go before its time, for a purpose with its reference, and why."""

    model_config = ConfigDict(extra="forbid")
    purpose: PurposeKind
    reference: _Words
    reason: _Words


@router.get("")
async def holds(request: Request, camera_id: str) -> dict[str, object]:
    """Holds of this camera that have not expired, by start."""
    deps, camera = deps_of(request), CameraId(camera_id)
    await deps.reads.permit(present(request), Action.READ_METADATA, camera)
    return {"holds": [_row(one) for one in (await deps.holds.table()).holds if one.camera_id == camera]}


@router.post("")
async def place(request: Request, camera_id: str, form: PlaceForm) -> dict[str, object]:
    """Nothing that the hold touches is deleted before it expires or is released."""
    deps, who = deps_of(request), present(request).principal
    camera = known_camera(deps, camera_id)
    if not 0 < form.end_ns - form.start_ns <= MAX_SPAN_NS:
        raise InvalidArgument("A hold has a begin before its end, and covers at most a week.")
    await _permit(
        request,
        Action.PLACE_HOLD,
        camera,
        Purpose(kind=form.purpose, reference=form.reference.strip()),
        Ns(form.start_ns),
        Ns(form.end_ns),
    )
    placed = await deps.holds.place(
        PlaceHold(
            owner=who.name,
            reason=_reason(form.purpose, form.reference),
            camera_id=camera,
            start_ns=Ns(form.start_ns),
            end_ns=Ns(form.end_ns),
            expires_ns=Ns(form.expires_ns),
        ),
        actor=who.name,
    )
    return {"hold_id": placed.hold_id, "segments": placed.segments, "bytes_on_disk": placed.bytes_on_disk}


@router.post("/{hold_id}/release")
async def release(request: Request, camera_id: str, hold_id: str, form: ReleaseForm) -> dict[str, object]:
    """What is older than its retention then goes with the next sweep."""
    deps, who = deps_of(request), present(request).principal
    found = [one for one in (await deps.holds.table()).holds if one.hold_id == hold_id and one.camera_id == camera_id]
    purpose = Purpose(kind=form.purpose, reference=form.reference.strip())
    start_ns, end_ns = (found[0].start_ns, found[0].end_ns) if found else (Ns(0), Ns(0))
    # Asked before it is said whether there is such a hold.
    await _permit(request, Action.RELEASE_HOLD, CameraId(camera_id), purpose, start_ns, end_ns)
    if not found:
        raise NotFound(f"There is no hold {hold_id[:64]!r} on this camera, or it has expired.")
    reason = f"{_reason(form.purpose, form.reference)}: {form.reason.strip()}"[:200]
    await deps.holds.release(ReleaseHold(hold_id=hold_id, by=who.name, reason=reason), actor=who.name)
    return {"released": hold_id}


async def _permit(
    request: Request, action: Action, camera_id: CameraId, purpose: Purpose, start_ns: Ns, end_ns: Ns
) -> None:
    """Never remembered: each act is a decision, and an entry. Raises: PermissionDenied, Unavailable."""
    asked = AccessRequest(
        principal=present(request).principal,
        action=action,
        purpose=purpose,
        camera_id=camera_id,
        start_ns=start_ns,
        end_ns=end_ns,
        fidelity=Fidelity.MASKED,
        session_id=SessionId(secrets.token_hex(8)),
    )
    granted_from(asked, await deps_of(request).warden.authorise(asked))


def _reason(purpose: PurposeKind, reference: str) -> str:
    return f"{purpose.value.replace('_', ' ')} {reference.strip()}"


def _row(one: HoldRow) -> dict[str, object]:
    return {
        "hold_id": one.hold_id,
        "owner": one.owner,
        "reason": one.reason,
        "start_ns": one.start_ns,
        "end_ns": one.end_ns,
        "expires_ns": one.expires_ns,
    }
