"""Incidents on roads, found in the analysis as it arrives, stored, and handed on. What one is, `traffic.incidents`
says."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from custodes.app.serving.frame_shapes import Shapes, aspect_of
from custodes.app.serving.traffic import MAX_INCIDENTS, ground_of
from custodes.errors import CustodesError
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.traffic.incidents import IncidentWatch
from custodes.traffic.stands import REMEMBER_NS
from custodes.types.event import FrameAnalysed
from custodes.types.message import CameraSpec
from custodes.types.scene import CameraScene
from custodes.types.traffic import Incident
from custodes.units import CameraId, Ns

RELOAD_S = 5.0
"""How soon a road that somebody drew is watched."""
MAX_WAITING = 1000
"""Incidents that wait for the catalog; beyond it the oldest are lost, and counted."""


class IncidentService:
    """Takes facts on the event loop; `run` keeps roads and catalog up to date."""

    def __init__(self, *, catalog: AsyncCatalog, clock: Clock, on_incident: Callable[[Incident], None]) -> None:
        """`on_incident` is told each that begins or ends, at once, on the loop; it must not block."""
        self._catalog = catalog
        self._clock = clock
        self._on_incident = on_incident
        self._scenes: dict[CameraId, tuple[CameraScene, float]] = {}
        """What is drawn of each, and how wide its pictures are."""
        self._watches: dict[CameraId, IncidentWatch] = {}
        self._waiting: list[Incident] = []
        self._has_news = asyncio.Event()
        self.lost = 0

    def take(self, camera_id: CameraId, frames: Sequence[FrameAnalysed]) -> None:
        """New facts of one camera, by time. About 0.1 ms a frame with ten objects."""
        watch = self._watches.get(camera_id)
        if watch is None:
            return
        for fact in frames:
            for incident in watch.step(fact):
                self._waiting.append(incident)
                self._on_incident(incident)
        if self._waiting:
            self.lost += max(0, len(self._waiting) - MAX_WAITING)
            del self._waiting[:-MAX_WAITING]
            self._has_news.set()

    async def run(self) -> None:
        """For ever; what cannot be stored waits."""
        while True:
            try:
                cameras, shapes = await self._catalog.cameras(), await self._catalog.frame_shapes()
                self.set_cameras(cameras, await self._known(cameras, shapes), shapes)
                waiting = list(self._waiting)
                if waiting:
                    await self._catalog.put_figures(waiting)
                    del self._waiting[: len(waiting)]
            except CustodesError as error:
                structlog.get_logger().warning("incidents wait", error=str(error), waiting=len(self._waiting))
            self._has_news.clear()
            try:
                async with asyncio.timeout(RELOAD_S):
                    await self._has_news.wait()
            except TimeoutError:
                continue

    async def _known(self, cameras: Sequence[CameraSpec], shapes: Shapes) -> dict[CameraId, list[Incident]]:
        """What was told lately of those whose roads, or pictures, are new here."""
        now_ns = self._clock.now_ns()
        new = [one for one in cameras if one.scene.roads and self._scenes.get(one.camera_id) != _drawn(one, shapes)]
        return {
            one.camera_id: await self._catalog.figures(
                Incident, one.camera_id, Ns(now_ns - REMEMBER_NS), Ns(now_ns), MAX_INCIDENTS
            )
            for one in new
        }

    def set_cameras(
        self, cameras: Sequence[CameraSpec], known: Mapping[CameraId, Sequence[Incident]], shapes: Shapes
    ) -> None:
        """Watch their roads from now on; a camera whose drawing and picture did not change keeps what it knows.

        Args: known: incidents told before, of those whose drawing or picture did.
        """
        scenes = {one.camera_id: _drawn(one, shapes) for one in cameras if one.is_enabled and one.scene.roads}
        for camera_id in self._scenes.keys() - scenes.keys():
            del self._watches[camera_id]
        for camera_id, (scene, aspect) in scenes.items():
            if self._scenes.get(camera_id) != (scene, aspect):
                watch = IncidentWatch(camera_id, scene.roads, ground_of(scene), aspect=aspect)
                watch.remember(known.get(camera_id, ()), self._clock.now_ns())
                self._watches[camera_id] = watch
        self._scenes = scenes


def _drawn(spec: CameraSpec, shapes: Shapes) -> tuple[CameraScene, float]:
    # By its ground a road is measured in metres, whatever the picture's shape; it still says how large a box is.
    return spec.scene, aspect_of(shapes, spec.camera_id)
