"""How cameras and store are doing, computed from the catalog when somebody asks, at most every five minutes."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from custodes.config import SiteConfig
from custodes.errors import Unavailable
from custodes.fleet.health import HealthReport, StreamNeed, camera_health, forecast
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.types.stream import is_second
from custodes.units import NS_PER_DAY, NS_PER_S, CameraId, Ns

KEEP_NS = 300 * NS_PER_S
MAX_SEGMENTS = 5000
"""Of one camera and day; a segment is about a minute."""


class HealthDesk:
    """Reads the last day."""

    def __init__(
        self,
        *,
        catalog: AsyncCatalog,
        clock: Clock,
        config: SiteConfig,
        data_dir: Path,
        damage: Callable[[CameraId], tuple[int, int]] = lambda camera_id: (0, 0),
    ) -> None:
        """`damage`: (damaged, decoded) pictures of a camera of late."""
        self._damage = damage
        self._catalog = catalog
        self._clock = clock
        self._config = config
        self._data_dir = data_dir
        self._kept: tuple[int, HealthReport] | None = None
        self._lock = asyncio.Lock()

    async def read(self) -> HealthReport:
        """Raises: Unavailable when the data directory cannot be measured."""
        async with self._lock:
            now_ns = self._clock.monotonic_ns()
            if self._kept is None or now_ns - self._kept[0] > KEEP_NS:
                self._kept = (now_ns, await self._measure())
            return self._kept[1]

    async def _measure(self) -> HealthReport:
        end_ns = self._clock.now_ns()
        start_ns = Ns(end_ns - NS_PER_DAY)
        cameras, days = [], []
        for spec in (stream for one in await self._catalog.cameras() for stream in one.streams()):
            if not spec.is_enabled:
                continue
            segments = await self._catalog.segments(spec.camera_id, start_ns, end_ns, MAX_SEGMENTS)
            gaps = await self._catalog.gaps(spec.camera_id, start_ns, end_ns)
            if not is_second(spec.camera_id):
                cameras.append(
                    camera_health(
                        spec, segments, gaps, start_ns=start_ns, end_ns=end_ns, damage=self._damage(spec.camera_id)
                    )
                )
            first_ns = min((one.header.start_ns for one in segments), default=end_ns)
            span_ns = max(end_ns - max(first_ns, start_ns), 1)
            size = sum(one.bytes_on_disk for one in segments)
            if segments:
                days.append(
                    StreamNeed(
                        camera_id=spec.camera_id,
                        bytes_per_day=int(size * NS_PER_DAY / span_ns),
                        kept_h=spec.retention_h or self._config.retention.max_age_h,
                        measured_s=span_ns / NS_PER_S,
                    )
                )
        try:
            disk = await asyncio.to_thread(shutil.disk_usage, self._data_dir)
        except OSError as error:
            raise Unavailable(f"the data directory cannot be measured: {error.strerror}") from error
        max_gb = self._config.retention.max_gb
        storage = forecast(
            days,
            recorded_bytes=await self._catalog.recorded_bytes(),
            free_bytes=disk.free,
            # below twice what the recorder leaves free, retention deletes the oldest
            reserve_bytes=2 * self._config.recorder.min_free_mb * 2**20,
            max_bytes=None if max_gb is None else int(max_gb * 1e9),
        )
        cameras.sort(key=lambda one: (-len(one.problems), one.uptime_share, one.camera_id))
        return HealthReport(start_ns=start_ns, end_ns=end_ns, cameras=tuple(cameras), storage=storage)
