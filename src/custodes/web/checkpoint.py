"""The checkpoint's page: a camera, the code that the holder brings, one answer. Nothing of it stays."""

import base64
import binascii
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from fastapi.responses import JSONResponse, Response

from custodes.errors import FailedPrecondition, InvalidArgument
from custodes.face.holder import MAX_TEXT_CHARS
from custodes.face.presentation import LOOKS_MAX
from custodes.types.face import Side
from custodes.types.face_message import VerifyHolder
from custodes.web.deps import deps_of, page, present

router = APIRouter(include_in_schema=False)


@router.get("/checkpoint")
async def checkpoint_page(request: Request, kiosk: str = "") -> Response:
    """For a desk, or with `kiosk=1` for a screen that holders stand before alone; by day and by night."""
    is_enabled = deps_of(request).recogniser is not None
    return page(request, "checkpoint.html", is_enabled=is_enabled, is_kiosk=kiosk == "1")


@router.post("/checkpoint/verify")
async def verify(request: Request, body: Annotated[dict[str, Any], Body()]) -> Response:
    """Token and picture → same or not. Logged without either."""
    deps, who = deps_of(request), present(request).principal
    if deps.recogniser is None:
        raise FailedPrecondition("Recognition is switched off on this site (faces.enabled).")
    token, turning, asked = body.get("token"), body.get("turning", []), body.get("asked", "")
    if not isinstance(token, str) or len(token) > MAX_TEXT_CHARS:
        raise InvalidArgument("A check needs the code and a picture.")
    if not isinstance(turning, list) or len(turning) >= LOOKS_MAX or asked not in list(Side):
        raise InvalidArgument(
            f"While somebody turns, at most {LOOKS_MAX - 1} pictures are taken, to the left or right."
        )
    message = VerifyHolder(
        text=token,
        picture=_picture(body.get("picture")),
        operator=who.name,
        turning=tuple(_picture(one) for one in turning),
        asked=Side(asked),
    )
    found = await deps.recogniser.verify_holder(message)
    return JSONResponse(
        {
            "is_same": found.is_same,
            "likelihood": round(found.likelihood, 1),
            "problem": found.problem,
            "signals": [{"speaks": one.speaks.name.lower(), "words": one.words} for one in found.signals],
            "quality": round(found.quality.score, 2) if found.quality else None,
        }
    )


def _picture(text: object) -> bytes:
    if not isinstance(text, str):
        raise InvalidArgument("A check needs the code and a picture.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidArgument("The picture cannot be read.") from error
