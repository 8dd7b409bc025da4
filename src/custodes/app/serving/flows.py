"""Flows of the whole site, made once an hour from the catalog's tracks and, as far as these reach, from links by looks
(`links`). What is told of links is gone once the hour is made; links from times and ways alone live in one call.
"""

import asyncio
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import structlog

from custodes.app.serving.links import LinkService
from custodes.app.serving.traffic import coverage_share
from custodes.errors import CustodesError
from custodes.journey.flows import Rows, flow_hour, stood_in
from custodes.journey.link_hours import HourLinks
from custodes.journey.waiting import QueueWatch, queue_figures
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.types.event import FrameAnalysed
from custodes.types.flow import HEAT_COLUMNS, HEAT_ROWS, FlowGroup, FlowHour, QueueFigures
from custodes.types.vision import VEHICLES, ObjectClass, Tracklet
from custodes.units import NS_PER_HOUR, NS_PER_S, CameraId, Ns

SETTLE_NS = 300 * NS_PER_S
"""How long after its end an hour waits for tracks that are not over and analysis that lags; it is made only once."""
LINKS_SETTLE_NS = 900 * NS_PER_S
"""The same where flows are made from links, which are final eleven minutes after a track began."""
BACK_NS = 6 * NS_PER_HOUR
"""How far back a server that starts looks; an hour of a busy camera costs a second or two."""
EVERY_S = 60.0
MAX_TRACKS = 20_000
"""Of one camera and hour: five a second."""
_PART_NS = 300 * NS_PER_S
"""Analysed frames are read in such parts, so that an hour of a busy camera needs no gigabyte."""
_GROUPS = {FlowGroup.PEOPLE: frozenset({ObjectClass.PERSON}), FlowGroup.VEHICLES: VEHICLES}


class FlowService:
    """Owned by the server; `run` for ever."""

    def __init__(
        self, *, catalog: AsyncCatalog, clock: Clock, min_group: int, links: LinkService | None = None
    ) -> None:
        """`links`: between cameras apart; None, or one that is off, for flows from times and ways alone."""
        self._links = links if links is not None and links.is_on else None
        self._settle_ns = SETTLE_NS if self._links is None else LINKS_SETTLE_NS
        self._catalog = catalog
        self._clock = clock
        self._min_group = min_group
        self._done_ns = 0

    async def run(self) -> None:
        """Make what is due; what fails is tried again."""
        while True:
            try:
                await self.sweep()
            except CustodesError as error:
                structlog.get_logger().warning("flows wait", error=str(error))
            await asyncio.sleep(EVERY_S)

    async def sweep(self) -> None:
        """Make every whole hour of the last day that nobody made."""
        now_ns = self._clock.now_ns()
        last_ns = (now_ns - self._settle_ns) // NS_PER_HOUR * NS_PER_HOUR
        first_ns = max(self._done_ns, last_ns - BACK_NS)
        if first_ns >= last_ns:
            return
        known = {one.start_ns for one in await self._catalog.figures(FlowHour, None, Ns(first_ns), Ns(last_ns), 100)}
        for start_ns in range(first_ns, last_ns, NS_PER_HOUR):
            if start_ns not in known:
                await self._make(start_ns)
            if self._links is not None:
                self._links.forget_hour(start_ns)
            self._done_ns = start_ns + NS_PER_HOUR

    async def _make(self, start_ns: int) -> None:
        span = Ns(start_ns), Ns(start_ns + NS_PER_HOUR)
        specs = {spec.camera_id: spec for spec in await self._catalog.cameras() if spec.is_enabled}
        cameras = sorted(specs)
        coverage: dict[CameraId, float] = {}
        analysed: dict[CameraId, list[tuple[int, int]]] = {}
        tracks: list[Tracklet] = []
        for camera_id in cameras:
            covered = await self._catalog.coverage(camera_id, *span)
            coverage[camera_id] = coverage_share(covered, *span)
            analysed[camera_id] = [(max(one.start_ns, span[0]), min(one.end_ns, span[1])) for one in covered]
            if coverage[camera_id]:
                found = await self._catalog.tracks(camera_id, *span, MAX_TRACKS)
                tracks += [one for one in found if span[0] <= one.start_ns < span[1]]
        if not any(coverage.values()):
            return
        stood: dict[CameraId, dict[FlowGroup, Rows]] = {}
        queues: list[QueueFigures] = []
        for camera_id in cameras:
            if coverage[camera_id]:
                watches = {area.name: QueueWatch(area) for area in specs[camera_id].scene.queues}
                stood[camera_id] = await self._stood(camera_id, span, watches)
                queues += queue_figures(camera_id, watches, self._min_group, coverage[camera_id])
        links = {} if self._links is None else {group: self._links.hour(start_ns, group) for group in _GROUPS}
        made = await asyncio.to_thread(
            _both, span, self._min_group, cameras, tracks, coverage, analysed, stood, queues, links
        )
        await self._catalog.put_figures(made)

    async def _stood(
        self, camera_id: CameraId, span: tuple[Ns, Ns], watches: Mapping[str, QueueWatch]
    ) -> dict[FlowGroup, Rows]:
        ids: dict[FlowGroup, list[Rows]] = {group: [] for group in _GROUPS}
        feet: dict[FlowGroup, list[npt.NDArray[np.float64]]] = {group: [] for group in _GROUPS}
        runs: dict[str, int] = {}
        for start_ns in range(span[0], span[1], _PART_NS):
            frames = await self._catalog.analysed(camera_id, Ns(start_ns), Ns(start_ns + _PART_NS - 1))
            for group, classes in _GROUPS.items():
                some = await asyncio.to_thread(_feet, frames, classes, runs)
                ids[group].append(some[0])
                feet[group].append(some[1])
            if watches:
                await asyncio.to_thread(_watch, frames, runs, watches)
        for watch in watches.values():
            watch.end()
        return {group: stood_in(np.concatenate(ids[group]), np.concatenate(feet[group])) for group in _GROUPS}


def _feet(
    frames: Sequence[FrameAnalysed], classes: frozenset[ObjectClass], runs: dict[str, int]
) -> tuple[Rows, npt.NDArray[np.float64]]:
    """Which tracks stood where: numbers that are told apart over runs (n,), feet (n, 2). One row a track, cell and
    part."""
    wanted = [int(one) for one in classes]
    ids, feet = [np.zeros(0, np.int64)], [np.zeros((0, 2))]
    for fact in frames:
        frame = fact.frame
        keep = frame.is_measured & (frame.track_ids >= 0) & np.isin(frame.class_ids, wanted)
        if keep.any():
            boxes = frame.boxes_norm[keep].astype(np.float64)
            # Track ids are packet numbers times a thousand: a run's index above 2^48 keeps them apart.
            ids.append(frame.track_ids[keep] + (runs.setdefault(frame.run, len(runs)) << 48))
            feet.append(np.stack([(boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]], axis=1))
    return np.concatenate(ids), np.concatenate(feet)


def _watch(frames: Sequence[FrameAnalysed], runs: dict[str, int], watches: Mapping[str, QueueWatch]) -> None:
    """People of each frame, to each queue."""
    people = _GROUPS[FlowGroup.PEOPLE]
    for fact in frames:
        ids, feet = _feet([fact], people, runs)
        for watch in watches.values():
            watch.take(fact.frame.utc_ns, ids, feet)


def _both(
    span: tuple[Ns, Ns],
    min_group: int,
    cameras: Sequence[CameraId],
    tracks: Sequence[Tracklet],
    coverage: Mapping[CameraId, float],
    analysed: Mapping[CameraId, Sequence[tuple[int, int]]],
    stood: Mapping[CameraId, Mapping[FlowGroup, Rows]],
    queues: Sequence[QueueFigures],
    links: Mapping[FlowGroup, HourLinks | None],
) -> list[FlowHour]:
    none = np.zeros(HEAT_COLUMNS * HEAT_ROWS, np.int64)
    return [
        flow_hour(
            start_ns=span[0],
            end_ns=span[1],
            group=group,
            min_group=min_group,
            cameras=cameras,
            tracks=[one for one in tracks if one.object_class in classes],
            coverage=coverage,
            analysed=analysed,
            stood={camera_id: some.get(group, none) for camera_id, some in stood.items()},
            queues=queues if group is FlowGroup.PEOPLE else (),
            links=links.get(group),
        )
        for group, classes in _GROUPS.items()
    ]
