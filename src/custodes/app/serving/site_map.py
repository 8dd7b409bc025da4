"""What stands and moves on each floor now: the tracks of its cameras fused to dots. Kept for seconds, written
nowhere; so are the looks that tell dots apart, which are overwritten when their moment or their dot is over."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import structlog

from custodes.adapters.tiles import TileFile
from custodes.app.serving.frame_shapes import Shapes, aspect_of
from custodes.app.serving.traffic import ground_of
from custodes.config.tree import MapConfig
from custodes.errors import CustodesError
from custodes.geometry.homography import Homography
from custodes.geometry.pose import pose_of
from custodes.journey.fusion import Dot, Fusion, Placed, TrackKey
from custodes.journey.sighting import PERSON_GROUP, placed_of
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.track.colours import unpacked
from custodes.types.access import CameraScope
from custodes.types.event import FrameAnalysed
from custodes.types.looks import Drops, LooksSeen
from custodes.types.message import CameraSpec
from custodes.types.place import FloorNow, MapCamera, MapDot
from custodes.units import NS_PER_S, CameraId

STEP_NS = NS_PER_S // 5
LAG_NS = NS_PER_S
"""Frames of different cameras arrive at different times; a moment is fused when it is this old."""
TICK_S = 0.25
RELOAD_TICKS = 20
SHOWN_NS = 3 * NS_PER_S
"""A dot that nobody saw for longer is not shown."""
MAX_ERROR_M = 5.0
"""Nor is one whose place is known less well: it might stand on the other side of the street. By a ground that was
measured at up to 35 m this is reached at about 80."""
MAX_PENDING = 20_000
"""Measurements of a floor that wait to be fused: 20 cameras with 50 objects for four seconds."""
LOOK_KEPT_NS = 4 * NS_PER_S
"""A look that waits for its measurement is overwritten after this: `LAG_NS`, and what a busy analyser's facts may be
later than its looks."""
JUMP_NS = NS_PER_S
MAX_LOOKS_WAITING = 20_000
"""Of a floor, in memory: as many as measurements, 10 MB."""


def open_tiles(config: MapConfig) -> TileFile | None:
    """The file of streets; None, and a line in the log, where it cannot be used: the map works without."""
    if config.tiles is None:
        return None
    try:
        return TileFile(config.tiles)
    except CustodesError as error:
        structlog.get_logger().error("the map has no streets", reason=str(error))
        return None


class MapService:
    """Takes facts on the event loop; `run` fuses them."""

    def __init__(self, *, catalog: AsyncCatalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock
        self._grounds: dict[CameraId, tuple[str, Homography]] = {}
        self._cameras: list[tuple[str, MapCamera]] = []
        self._floors: dict[str, _Floor] = {}
        self.dropped = 0
        self.looks_dropped = 0
        self._began_ns = clock.now_ns() - clock.monotonic_ns()
        """By the wall clock, when this one's time began."""

    def take(self, camera_id: CameraId, frames: Sequence[FrameAnalysed]) -> None:
        """New facts of one camera."""
        known = self._grounds.get(camera_id)
        if known is None:
            return
        floor = self._floors[known[0]]
        for fact in frames:
            seen = placed_of(fact.frame, known[1])
            if len(floor.pending) + len(seen) > MAX_PENDING:
                self.dropped += len(seen)
                continue
            floor.pending += [(fact.frame.utc_ns, one) for one in seen]

    def take_looks(self, seen: LooksSeen) -> None:
        """Of tracks of one camera, whose measurements come as facts, before or after; copied."""
        known = self._grounds.get(seen.camera_id)
        if known is None:
            return
        floor, now_ns = self._floors[known[0]], self._clock.monotonic_ns()
        for track_id, look in zip(seen.track_ids.tolist(), seen.looks, strict=True):
            moment = ((seen.camera_id, seen.run, track_id), seen.utc_ns)
            if len(floor.looks) < MAX_LOOKS_WAITING and moment not in floor.looks:
                floor.looks[moment] = look.copy(), now_ns
            else:
                self.looks_dropped += 1

    def drops(self, links: int = 0) -> Drops:
        """What found no place here, beside what the book of `links` had none for."""
        return Drops(map_measurements=self.dropped, map_looks=self.looks_dropped, links=links)

    def forget_looks(self) -> None:
        """Overwrite all that are here."""
        for floor in self._floors.values():
            floor.forget_looks()

    async def run(self) -> None:
        """For ever."""
        tick = 0
        while True:
            if tick % RELOAD_TICKS == 0:
                try:
                    self.set_cameras(await self._catalog.cameras(), await self._catalog.frame_shapes())
                except CustodesError as error:
                    structlog.get_logger().warning("the map waits", error=str(error))
            self.fuse()
            tick += 1
            await asyncio.sleep(TICK_S)

    def set_cameras(self, cameras: Sequence[CameraSpec], shapes: Shapes) -> None:
        """Which cameras see which floor, with pictures of which shapes; a floor that stays keeps its dots."""
        self._grounds, self._cameras = {}, []
        for spec in cameras:
            ground = ground_of(spec.scene) if spec.is_enabled and spec.scene.floor else None
            if ground is not None:
                self._grounds[spec.camera_id] = spec.scene.floor, ground
                self._cameras.append((spec.scene.floor, _map_camera(spec, ground, shapes)))
        names = {floor for floor, _ in self._cameras}
        for name in self._floors.keys() - names:
            self._floors[name].forget_looks()
        self._floors = {name: self._floors.get(name) or _Floor() for name in names}

    def fuse(self) -> None:
        """Bring every floor up to a moment ago."""
        now_ns, passed_ns = self._clock.now_ns(), self._clock.monotonic_ns()
        if abs(now_ns - passed_ns - self._began_ns) > JUMP_NS:
            self.forget_looks()  # by a clock that was set, a dot that is over might last for hours
        self._began_ns = now_ns - passed_ns
        until_ns, old_ns = now_ns - LAG_NS, passed_ns - LOOK_KEPT_NS
        for floor in self._floors.values():
            floor.fuse(until_ns)
            self.looks_dropped += floor.drop_looks(old_ns)

    def floors(self, scope: CameraScope) -> list[FloorNow]:
        """What somebody with this scope may see: their cameras, and dots that one of these sees now."""
        now_ns = self._clock.now_ns()
        found = []
        for name, floor in sorted(self._floors.items()):
            cameras = tuple(one for on, one in self._cameras if on == name and scope.covers(one.camera_id))
            if cameras:
                dots = tuple(
                    _map_dot(one, scope)
                    for one, seen_ns in floor.dots.values()
                    if _is_shown(one, seen_ns, now_ns, scope)
                )
                found.append(FloorNow(name=name, cameras=cameras, dots=dots))
        return found


class _Floor:
    """One common ground."""

    def __init__(self) -> None:
        self.fusion = Fusion()
        self.pending: list[tuple[int, Placed]] = []
        self.dots: dict[int, tuple[Dot, int]] = {}
        self.looks: dict[tuple[TrackKey, int], tuple[npt.NDArray[np.uint8], int]] = {}
        """Packed, of measurements that are not fused yet; and when each came."""
        self._step = 0

    def fuse(self, until_ns: int) -> None:
        due = sorted((one for one in self.pending if one[0] <= until_ns), key=lambda one: one[0])
        self.pending = [one for one in self.pending if one[0] > until_ns]
        steps: dict[int, dict[TrackKey, tuple[Placed, int]]] = {}
        for utc_ns, one in due:
            # A camera's newest look in a step stands for it; what comes too late is fused with what is next.
            steps.setdefault(max(utc_ns // STEP_NS, self._step), {})[one.key] = one, utc_ns
        for step in sorted(steps):
            self._step = step
            seen = [self._with_look(one, utc_ns) for one, utc_ns in steps[step].values()]
            for dot in self.fusion.step(step * STEP_NS, seen):
                self.dots[dot.number] = dot, step * STEP_NS
            for placed in seen:
                if placed.look is not None:
                    placed.look[:] = 0
        self.fusion.forget_lost(until_ns)
        for number in [number for number, (_, seen_ns) in self.dots.items() if seen_ns < until_ns - 2 * SHOWN_NS]:
            del self.dots[number]

    def drop_looks(self, old_ns: int) -> int:
        """Overwrite those that came before this; returns how many."""
        old = [moment for moment, (_, came_ns) in self.looks.items() if came_ns <= old_ns]
        for moment in old:
            self.looks.pop(moment)[0][:] = 0
        return len(old)

    def forget_looks(self) -> None:
        self.fusion.forget_looks()
        for look, _ in self.looks.values():
            look[:] = 0
        self.looks.clear()

    def _with_look(self, one: Placed, utc_ns: int) -> Placed:
        packed, _ = self.looks.pop((one.key, utc_ns), (None, 0))
        if packed is None:
            return one
        look = unpacked(packed[None])[0]
        packed[:] = 0
        return replace(one, look=look)


def _is_shown(dot: Dot, seen_ns: int, now_ns: int, scope: CameraScope) -> bool:
    is_of_now = now_ns - seen_ns <= LAG_NS + SHOWN_NS
    return is_of_now and dot.error_m <= MAX_ERROR_M and any(scope.covers(key[0]) for key in dot.tracks)


def _map_dot(dot: Dot, scope: CameraScope) -> MapDot:
    x_m, y_m = dot.place_m.tolist()
    return MapDot(
        x_m=round(x_m, 2),
        y_m=round(y_m, 2),
        error_m=round(dot.error_m, 2),
        is_person=dot.group == PERSON_GROUP,
        cameras=tuple(key[0] for key in dot.tracks if scope.covers(key[0])),
    )


def _map_camera(spec: CameraSpec, ground: Homography, shapes: Shapes) -> MapCamera:
    places = [point.place_m for point in spec.scene.ground]
    pose = pose_of(ground, aspect_of(shapes, spec.camera_id))
    return MapCamera(
        camera_id=spec.camera_id,
        name=spec.name,
        place_m=None if pose is None else (round(float(pose.place[0]), 2), round(float(pose.place[1]), 2)),
        height_m=None if pose is None else round(float(pose.place[2]), 2),
        measured_m=tuple(places),
        is_shape_known=spec.camera_id in shapes,
    )
