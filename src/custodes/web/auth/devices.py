"""A person's devices that are told by web push when something waits for them."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from webauthn.helpers import base64url_to_bytes

from custodes.errors import CustodesError, FailedPrecondition, InvalidArgument
from custodes.ports.push import PushDesk
from custodes.types.access import AuditKind, AuditRecord
from custodes.web.auth.passwords import clean_name
from custodes.web.deps import WebDeps, deps_of, page, present
from custodes.web.errors import describe
from custodes.web.language.speech import translated

router = APIRouter(include_in_schema=False)

_Body = Annotated[dict[str, Any], Body()]


@router.get("/me/devices")
async def devices_page(request: Request) -> Response:
    """Mine, and what a browser needs to become one."""
    return await _page(request)


@router.post("/me/devices")
async def add_device(request: Request, body: _Body) -> Response:
    """Keep what the browser's push service gave it: `PushSubscription.toJSON()` and a name."""
    deps, who = deps_of(request), present(request).principal
    keys = body.get("keys")
    keys = keys if isinstance(keys, dict) else {}
    try:
        p256dh, auth = (base64url_to_bytes(str(keys.get(name, ""))[:200]) for name in ("p256dh", "auth"))
    except ValueError as error:
        raise InvalidArgument("a push subscription has keys.p256dh and keys.auth, base64url") from error
    name = clean_name(str(body.get("name", "")) or "A browser")
    device = await _desk(deps).add(who.user_id, name, str(body.get("endpoint", "")), p256dh, auth)
    await _log_change(request, name, "added")
    return JSONResponse({"to": "/me/devices", "device_id": device.device_id})


@router.post("/me/devices/{device_id}/remove")
async def remove_device(request: Request, device_id: str) -> Response:
    """It is told nothing any more."""
    deps, who = deps_of(request), present(request).principal
    try:
        device = await _desk(deps).remove(device_id, who.user_id)
    except CustodesError as error:
        return await _page(request, error=error)
    await _log_change(request, device.name, "removed")
    return RedirectResponse("/me/devices", status_code=303)


@router.post("/me/devices/{device_id}/try")
async def try_device(request: Request, device_id: str) -> Response:
    """Tell it that it works."""
    try:
        await _desk(deps_of(request)).try_out(device_id, present(request).principal.user_id)
    except CustodesError as error:
        return await _page(request, error=error)
    return await _page(
        request, said=translated("It was told. Nothing to see? Look at the device's settings for notifications.")
    )


def _desk(deps: WebDeps) -> PushDesk:
    if deps.push is None:
        raise FailedPrecondition("This site tells no devices; push: in site.yaml switches it on.")
    return deps.push


async def _page(request: Request, *, error: CustodesError | None = None, said: str = "") -> Response:
    deps = deps_of(request)
    status, _, problem = describe(error) if error else (200, "", "")
    who = present(request).principal
    return page(
        request,
        "devices.html",
        status=status,
        problem=problem,
        said=said,
        is_on=deps.push is not None,
        public_key=deps.push.public_key if deps.push is not None else "",
        devices=await deps.push.of_person(who.user_id) if deps.push is not None else [],
    )


async def _log_change(request: Request, name: str, change: str) -> None:
    who = present(request).principal
    details = {"user_id": who.user_id, "what": f"device {name}", "change": change}
    await deps_of(request).warden.append(
        AuditRecord(kind=AuditKind.CREDENTIAL_CHANGED, actor=who.name, subject=who.name, details=details)
    )
