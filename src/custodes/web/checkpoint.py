"""The checkpoint's page: a camera, the code that the holder brings, one answer. Nothing of it stays."""

import base64
import binascii
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import JSONResponse, Response

from custodes.errors import FailedPrecondition, InvalidArgument
from custodes.face.holder import MAX_TEXT_CHARS
from custodes.web.deps import deps_of, page, present

router = APIRouter(include_in_schema=False)


@router.get("/checkpoint")
async def checkpoint_page(request: Request) -> Response:
    """For a desk or a kiosk, by day and by night."""
    return page(request, "checkpoint.html", is_enabled=deps_of(request).recogniser is not None)


@router.post("/checkpoint/verify")
async def verify(request: Request, body: Annotated[dict[str, Any], Body()]) -> Response:
    """Token and picture → same or not. Logged without either."""
    deps, who = deps_of(request), present(request).principal
    if deps.recogniser is None:
        raise FailedPrecondition("Recognition is switched off on this site (faces.enabled).")
    token, picture = body.get("token"), body.get("picture")
    if not isinstance(token, str) or not isinstance(picture, str) or len(token) > MAX_TEXT_CHARS:
        raise InvalidArgument("A check needs the code and a picture.")
    try:
        content = base64.b64decode(picture, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgument("The picture cannot be read.") from error
    found = await deps.recogniser.verify_holder(token, content, who.name)
    return JSONResponse(
        {
            "is_same": found.is_same,
            "likelihood": round(found.likelihood, 1),
            "problem": found.problem,
            "signals": list(found.signals),
            "quality": round(found.quality.score, 2) if found.quality else None,
        }
    )
