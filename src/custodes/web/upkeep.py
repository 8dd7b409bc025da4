"""What a site needs of its keepers: how far its disk reaches, when it was backed up, which network it detects with.

Numbers of the site for everybody with an account; of single cameras for who may know of them.
"""

from fastapi import APIRouter, Request

from custodes.config import SiteConfig
from custodes.errors import Unavailable
from custodes.fleet.health import StorageForecast
from custodes.types.stream import camera_of, is_second
from custodes.units import NS_PER_DAY, Ns
from custodes.web.deps import deps_of, present
from custodes.web.language.reported import reported
from custodes.web.language.speech import translated

router = APIRouter(prefix="/api/v1")


@router.get("/upkeep")
async def upkeep(request: Request) -> dict[str, object]:
    """Storage forecast, last backup, and the network that detects; each with its problem where it cannot be told."""
    deps = deps_of(request)
    storage, storage_problem = None, ""
    if deps.health is not None:
        try:
            storage = (await deps.health()).storage
        except Unavailable as error:
            storage_problem = reported(str(error))
    backup, backup_problem = None, ""
    try:
        backup = await deps.backups.read()
    except Unavailable:
        backup_problem = translated("The warden does not answer, so the log cannot be asked.")
    return {
        "now_ns": deps.clock.now_ns(),
        "storage": _storage(request, storage) if storage else None,
        "storage_problem": storage_problem,
        "has_slow_disk": deps.config.tiers.slow_dir is not None,
        "backup": backup,
        "backup_problem": backup_problem,
        "models": models(deps.config),
    }


def _storage(request: Request, found: StorageForecast) -> dict[str, object]:
    deps = deps_of(request)
    now_ns = deps.clock.now_ns()
    covers = present(request).principal.cameras.covers
    names = {row.camera_id: row.name for row in deps.live.camera_rows()}
    return {
        "bytes_per_day": found.bytes_per_day,
        "needed_bytes": found.needed_bytes,
        "available_bytes": found.available_bytes,
        "full_ns": None if found.full_in_days is None else _after(now_ns, found.full_in_days),
        "reach_days": found.reach_days,
        "growth": [[_after(now_ns, days), size] for days, size in found.growth],
        "streams": [
            {
                "camera_id": one.camera_id,
                "name": names.get(camera_of(one.camera_id), camera_of(one.camera_id))
                + (", second stream" if is_second(one.camera_id) else ""),
                "bytes_per_day": one.bytes_per_day,
                "kept_h": one.kept_h,
                "measured_s": one.measured_s,
            }
            for one in found.streams
            if covers(camera_of(one.camera_id))
        ],
    }


def _after(now_ns: int, days: float) -> Ns:
    return Ns(int(now_ns + days * NS_PER_DAY))


def models(config: SiteConfig) -> list[dict[str, str]]:
    """What is configured to detect, and to recognise where that is on; the weights themselves are the analyser's."""
    analyser = config.analyser
    rows = [
        {
            "task": translated("finds people and vehicles"),
            "name": analyser.detector or translated("the one that came along"),
            "runtime": analyser.runtime or translated("the runtime of its file"),
        }
    ]
    if config.faces.enabled:
        rows.append(
            {
                "task": translated("compares enrolled people"),
                "name": config.faces.embedder or translated("the one that came along"),
                "runtime": translated("the runtime of its file"),
            }
        )
    return rows
