"""Cameras that were removed while recordings of them are still there: which, since when, until when.

Nobody looks at them as they are: with the camera went the privacy zones that cover parts of its picture for everybody.
Undoing the removal, or adding a camera with that id, brings both back; a hold, an erasure and retention need neither.
"""

from dataclasses import dataclass

from fastapi import Request

from custodes.types.access import CameraScope
from custodes.types.stream import camera_of
from custodes.units import NS_PER_HOUR, CameraId, Ns
from custodes.web.deps import deps_of, present

MOST = 64
_EVER = Ns(2**62)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneCamera:
    """One that is not configured any more."""

    camera_id: CameraId
    oldest_ns: Ns
    newest_ns: Ns
    gone_by_ns: Ns
    """When the site's retention has taken the last of it, unless it is held."""


async def gone_cameras(request: Request) -> list[GoneCamera]:
    """Of those that this person may know, by id; at most `MOST`."""
    deps, covers = deps_of(request), present(request).principal.cameras.covers
    specs = await deps.catalog.cameras()
    configured = {row.camera_id for row in deps.live.camera_rows()} | {one.camera_id for one in specs}
    known = {camera_of(one) for one in await deps.catalog.totals()} - configured
    found = []
    for camera_id in sorted(one for one in known if covers(one))[:MOST]:
        first = await deps.catalog.segments(camera_id, Ns(0), _EVER, 1)
        if first:
            scope = CameraScope(is_all=False, camera_ids=frozenset({camera_id}))
            (lane,) = await deps.catalog.lanes(scope, Ns(0), _EVER, 1)
            found.append(
                GoneCamera(
                    camera_id=camera_id,
                    oldest_ns=first[0].header.start_ns,
                    newest_ns=lane.newest_ns,
                    gone_by_ns=Ns(lane.newest_ns + round(deps.config.retention.max_age_h * NS_PER_HOUR)),
                )
            )
    return found
