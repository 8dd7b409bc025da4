"""Figures of road traffic, made from what the catalog holds: each quarter of an hour once it is over, and the running
one now and then. What they mean is the slice `traffic`'s.
"""

import asyncio
from collections.abc import Sequence

import structlog

from custodes.app.serving.frame_shapes import aspect_of
from custodes.errors import CustodesError
from custodes.geometry.homography import Homography, homography_from_points
from custodes.geometry.pose import pose_of
from custodes.ports.catalog import Coverage
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.traffic.paths import paths_of
from custodes.traffic.quarter import QUARTER_NS, measure
from custodes.traffic.stands import PARKED_NS
from custodes.types.event import FrameAnalysed, LineCrossed
from custodes.types.message import CameraSpec
from custodes.types.scene import CameraScene
from custodes.types.traffic import Incident, Quarter, ReadTraffic, TrafficTable
from custodes.units import NS_PER_S, CameraId, Ns

EVERY_S = 60.0
SETTLE_NS = 120 * NS_PER_S
"""How long after its end a quarter waits for analysis that lags."""
BACK_NS = 24 * 3600 * NS_PER_S
"""How far back a server that starts looks for quarters that nobody made."""
KEEP_NS = 2 * 366 * 24 * 3600 * NS_PER_S
"""Figures hold no person; two years let a year be compared with the one before."""
MAX_QUARTERS = 4 * 24 * 32
"""Of one answer: a month of one camera."""
MAX_INCIDENTS = 2000
_MAX_CROSSINGS = 20_000
_BEFORE_NS = 300 * NS_PER_S
"""Crossings from so long before a quarter count towards movements that end in it: a red light or two."""
_AROUND_NS = 4 * NS_PER_S


class TrafficService:
    """Owned by the server; `run` for ever."""

    def __init__(self, *, catalog: AsyncCatalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._done_ns: dict[CameraId, int] = {}
        """Until when each camera's quarters are made."""

    async def run(self) -> None:
        """Make what is due, again and again; what fails is tried again with the next round."""
        while True:
            try:
                await self.sweep()
            except CustodesError as error:
                structlog.get_logger().warning("traffic figures wait", error=str(error))
            await asyncio.sleep(EVERY_S)

    async def sweep(self) -> None:
        """Make all quarters that are due, and the running one of each camera that counts."""
        now_ns = self._clock.now_ns()
        shapes = await self._catalog.frame_shapes()
        for spec in await self._catalog.cameras():
            if spec.is_enabled and spec.scene.lines:
                await self._sweep_camera(spec, aspect_of(shapes, spec.camera_id), now_ns)
        await self._catalog.forget_figures(Ns(now_ns - KEEP_NS))

    async def _sweep_camera(self, spec: CameraSpec, aspect: float, now_ns: int) -> None:
        start_ns = self._done_ns.get(spec.camera_id) or await self._known_until(spec.camera_id, now_ns)
        while start_ns < now_ns:
            end_ns = start_ns + QUARTER_NS
            quarter = await self._make(spec, aspect, start_ns, min(end_ns, now_ns))
            if quarter is not None:
                await self._catalog.put_figures([quarter])
            if end_ns + SETTLE_NS > now_ns:
                break
            start_ns = end_ns
            self._done_ns[spec.camera_id] = start_ns

    async def _known_until(self, camera_id: CameraId, now_ns: int) -> int:
        first_ns = (now_ns - BACK_NS) // QUARTER_NS * QUARTER_NS
        known = await self._catalog.figures(Quarter, camera_id, Ns(first_ns), Ns(now_ns), MAX_QUARTERS)
        # The newest may have been made while it ran.
        return max([first_ns, *(one.start_ns for one in known)])

    async def _make(self, spec: CameraSpec, aspect: float, start_ns: int, end_ns: int) -> Quarter | None:
        covered = await self._catalog.coverage(spec.camera_id, Ns(start_ns), Ns(end_ns))
        share = coverage_share(covered, start_ns, end_ns)
        if not share:
            return None
        before_ns = Ns(start_ns - _BEFORE_NS)
        crossings = await self._catalog.crossings(spec.camera_id, before_ns, Ns(end_ns - 1), _MAX_CROSSINGS)
        # A car on the line at the quarter's first moment has a speed, too, and one that was parked there is no queue.
        early_ns = Ns(start_ns - _AROUND_NS - (PARKED_NS if spec.scene.ground else 0))
        frames = await self._catalog.analysed(spec.camera_id, early_ns, Ns(end_ns + _AROUND_NS))
        return await asyncio.to_thread(
            _measure, spec.camera_id, spec.scene, aspect, Ns(start_ns), Ns(end_ns), share, frames, crossings
        )

    async def table(self, request: ReadTraffic) -> TrafficTable:
        """What is known of one camera."""
        span = (request.camera_id, request.start_ns, request.end_ns)
        return TrafficTable(
            quarters=tuple(await self._catalog.figures(Quarter, *span, MAX_QUARTERS)),
            incidents=tuple(await self._catalog.figures(Incident, *span, MAX_INCIDENTS)),
        )


def _measure(
    camera_id: CameraId,
    scene: CameraScene,
    aspect: float,
    start_ns: Ns,
    end_ns: Ns,
    coverage: float,
    frames: Sequence[FrameAnalysed],
    crossings: Sequence[LineCrossed],
) -> Quarter:
    ground = ground_of(scene)
    return measure(
        camera_id=camera_id,
        start_ns=start_ns,
        end_ns=end_ns,
        coverage=coverage,
        scene=scene,
        ground=ground,
        pose=pose_of(ground, aspect) if ground is not None else None,
        paths=paths_of(frames),
        crossings=crossings,
    )


def ground_of(scene: CameraScene) -> Homography | None:
    """The camera's ground plane, checked when the camera was put; None where no points are given."""
    if not scene.ground:
        return None
    return homography_from_points([point.at for point in scene.ground], [point.place_m for point in scene.ground])


def coverage_share(covered: Sequence[Coverage], start_ns: int, end_ns: int) -> float:
    """Of [start, end), 0 to 1; stretches are disjoint."""
    inside = sum(max(0, min(one.end_ns, end_ns) - max(one.start_ns, start_ns)) for one in covered)
    return min(inside / max(end_ns - start_ns, 1), 1.0)
