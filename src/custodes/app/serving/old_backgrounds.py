"""Views without people that are too old, or too many: files go by their names, a year's key after all of them."""

import asyncio
from datetime import UTC, datetime

import structlog

from custodes.app.kept_names import Kept, kept_in
from custodes.config import SitePaths
from custodes.errors import FailedPrecondition, KeyMissing
from custodes.ports.warden import Warden
from custodes.units import NS_PER_DAY, NS_PER_S, CameraId, Ns

EVERY_NS = 3600 * NS_PER_S
_WHOLE_NS = 7 * NS_PER_DAY
"""So long every view is kept; after it the newest of each week and light."""


class OldBackgrounds:
    """Looked at once an hour, by whoever sweeps."""

    def __init__(self, paths: SitePaths, days: int, warden: Warden) -> None:
        self._paths = paths
        self._days = days
        self._warden = warden
        self._next_ns = 0

    async def sweep(self, now_ns: Ns) -> None:
        """Raises: as the warden."""
        if now_ns < self._next_ns:
            return
        self._next_ns = now_ns + EVERY_NS
        for camera_id, year in await asyncio.to_thread(self._forget, now_ns):
            try:
                await self._warden.destroy_keys(camera_id, f"{year}0000")
            except (KeyMissing, FailedPrecondition) as error:
                structlog.get_logger().warning("a key of backgrounds stays", camera_id=camera_id, reason=str(error))

    def _forget(self, now_ns: Ns) -> list[tuple[CameraId, str]]:
        """Delete; returns cameras and past years of which nothing is left but the key."""
        over: list[tuple[CameraId, str]] = []
        for folder in self._paths.public_keys.glob("*"):
            camera_id = CameraId(folder.name)
            kept = kept_in(self._paths.backgrounds / camera_id, "bkg")
            gone = doomed(kept, now_ns, self._days * NS_PER_DAY)
            for one in gone:
                one.path.unlink(missing_ok=True)
            needed = {_utc(one.end_ns, "%Y") for one in kept if one not in gone}
            years = {path.stem[:4] for path in folder.glob("*0000.json")}
            over += [(camera_id, year) for year in sorted(years - needed) if year < _utc(now_ns, "%Y")]
        return over


def doomed(kept: list[Kept], now_ns: int, keep_ns: int) -> list[Kept]:
    """Those that are too old; of what is older than a week, all but the newest of each week and light. Pure."""
    newest: dict[tuple[str, str], Kept] = {}
    gone: list[Kept] = []
    for one in sorted(kept, key=lambda each: each.end_ns):
        if one.end_ns < now_ns - keep_ns:
            gone.append(one)
        elif one.end_ns < now_ns - _WHOLE_NS:
            week = (_utc(one.end_ns, "%G-%V"), one.regime)
            if week in newest:
                gone.append(newest[week])
            newest[week] = one
    return gone


def _utc(utc_ns: int, form: str) -> str:
    return datetime.fromtimestamp(utc_ns // NS_PER_S, UTC).strftime(form)
