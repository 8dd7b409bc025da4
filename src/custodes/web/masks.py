"""Why a moment of a camera is covered: answered from what was analysed, with the site's own policy. No picture."""

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from custodes.redact.reasons import Mask, MaskReason
from custodes.redact.samples import MAX_FILL_NS
from custodes.redact.timeline import MaskPolicy, MaskTimeline
from custodes.redact.zones import PrivacyZone
from custodes.review.policy import mask_policy
from custodes.types.access import Action
from custodes.types.event import FrameAnalysed
from custodes.units import NS_PER_S, CameraId, Ns, RunId
from custodes.web.api import Stream, known_camera, stream_of
from custodes.web.deps import WebDeps, deps_of, present

router = APIRouter(prefix="/api/v1")

AROUND_NS = MAX_FILL_NS + NS_PER_S
"""Masks of a moment depend on nothing farther away."""

_At = Annotated[int, Query(ge=0, le=2**63 - 1, description="UTC nanoseconds")]


@router.get("/cameras/{camera_id}/masks")
async def masks(
    request: Request, camera_id: Annotated[str, Path(max_length=64)], at: _At, stream: Stream = "first"
) -> dict[str, object]:
    """What a masked picture of that moment covers, and why, most frequent first; and where to ask for more."""
    deps = deps_of(request)
    camera = known_camera(deps, camera_id)
    seen = stream_of(camera, stream)
    facts = await deps.catalog.analysed(seen, Ns(max(at - AROUND_NS, 0)), Ns(at + AROUND_NS))
    found = reasons(facts, await _policy(deps, seen), Ns(at))
    counted = Counter(mask.sentence for mask in found)
    is_liftable = any(mask.reason not in (MaskReason.ZONE, MaskReason.UNKNOWN) for mask in found)
    may_ask = deps.reads.may(present(request).principal, Action.FILE_REQUEST)
    return {
        "at_ns": at,
        "reasons": [{"words": words, "count": count} for words, count in counted.most_common()],
        "ask": f"/requests?camera={camera}&at={at}" if is_liftable and may_ask else "",
    }


def reasons(facts: list[FrameAnalysed], policy: MaskPolicy, at_ns: Ns) -> tuple[Mask, ...]:
    """As a view of that moment would have them: of the run that was recorded then."""
    timeline = MaskTimeline(policy)
    timeline.add(facts)
    nearest = min(facts, key=lambda fact: abs(fact.frame.utc_ns - at_ns), default=None)
    run = RunId("") if nearest is None else nearest.frame.run
    return timeline.reasons_at(at_ns, run)


async def _policy(deps: WebDeps, camera_id: CameraId) -> MaskPolicy:
    streams = [stream for one in await deps.catalog.cameras() for stream in one.streams()]
    spec = next((one for one in streams if one.camera_id == camera_id), None)
    zones = () if spec is None else tuple(PrivacyZone(polygon=polygon) for polygon in spec.scene.privacy)
    return mask_policy(deps.config.redaction, zones)
