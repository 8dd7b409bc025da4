"""Where an enrolled person went: made of tracks when it is asked for, under the warden's word, and stored nowhere.

The warden says which tracks two people confirmed; from these a chain of links is followed (`journey.trail`), with
clothes' looks where a job can take them from recordings (`journey_looks`), else by places and times alone. Tracks of
everybody else are alternatives in memory while one answer is made.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import structlog

from custodes.app.serving.frame_shapes import Shapes, aspect_of
from custodes.app.serving.journey_exhibit import ExhibitMaker
from custodes.app.serving.journey_looks import LookDesk, LookJob
from custodes.app.serving.journey_made import MadeJourneys
from custodes.app.serving.traffic import coverage_share, ground_of
from custodes.errors import CustodesError, FailedPrecondition, NotFound, PermissionDenied, ResourceExhausted
from custodes.geometry.homography import Homography
from custodes.geometry.pose import pose_of
from custodes.journey.assignment import marginals
from custodes.journey.fusion import Placed, TrackKey
from custodes.journey.together import Met, company, in_seconds, path, placed_in
from custodes.journey.trail import Answer, Company, Meet, Step, Walk, Wish, trail
from custodes.journey.usual import Way, ways_of
from custodes.journey.ways import Passage, links
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import CameraScope, Principal
from custodes.types.flow import FlowHour
from custodes.types.journey import (
    CameraSeen,
    Journey,
    JourneyOpened,
    JourneyStep,
    LooksUse,
    Making,
    OpenJourney,
    VerifiedTrack,
)
from custodes.types.message import CameraSpec
from custodes.types.vision import ObjectClass, Tracklet
from custodes.units import NS_PER_S, CameraId, Ns

MAX_TRACKS = 20_000
"""Of people, in the cameras and the stretch of one request."""
LEARN_NS = 14 * 24 * 3600 * NS_PER_S
"""Flows of so long say how long ways take."""
_MAX_HOURS = 2 * 24 * 14
PART_NS = 150 * NS_PER_S
"""Of a long track, its first and its last minutes say who was with it."""
AROUND_NS = 2 * NS_PER_S

Ways = Mapping[tuple[CameraId, CameraId], Way]
Path = tuple[tuple[Ns, float, float], ...]
Paths = dict[int, Path]


class JourneyService:
    """`ports.journeys.Journeys` on the server's event loop."""

    def __init__(
        self,
        *,
        catalog: AsyncCatalog,
        warden: Warden,
        clock: Clock,
        exhibits: ExhibitMaker,
        looks: LookDesk | None = None,
    ) -> None:
        self._catalog = catalog
        self._warden = warden
        self._clock = clock
        self._exhibits = exhibits
        self._looks = looks
        self._made = MadeJourneys(clock)

    async def follow(self, who: Principal, request_id: str) -> Journey:
        """See `Journeys`."""
        try:
            opened = await self._open(who, request_id)
        except (NotFound, PermissionDenied):
            await self._made.forget(who, request_id)  # who took their agreement back is in no memory either
            raise
        return self._made.take(who, opened) or await self._make(opened, None)

    async def begin(self, who: Principal, request_id: str) -> None:
        """See `Journeys`."""
        if self._looks is not None and self.making(who, request_id) is None:
            opened = await self._open(who, request_id)
            if opened.verified:
                self._made.begin(who, opened, partial(self._make_with_looks, who, opened))

    def making(self, who: Principal, request_id: str) -> Making | None:
        """See `Journeys`."""
        return self._made.state(who, request_id)

    async def cancel(self, who: Principal, request_id: str) -> None:
        """See `Journeys`."""
        await self._made.forget(who, request_id)

    async def close(self) -> None:
        """The server ends: so does what is being made."""
        await self._made.close()

    async def _open(self, who: Principal, request_id: str) -> JourneyOpened:
        opened = await self._warden.about_requests(OpenJourney(principal=who, request_id=request_id[:64]))
        assert isinstance(opened, JourneyOpened)
        return opened

    async def _make_with_looks(
        self, who: Principal, opened: JourneyOpened, told: Callable[[LookJob], None]
    ) -> Journey:
        """With looks if that can be; without, and why, where the job, keys or recordings fail."""
        assert self._looks is not None
        specs = {spec.camera_id: spec for spec in await self._catalog.cameras()}
        tracks = await self._tracks(opened)
        try:
            async with self._looks.job(who, opened, specs, tracks) as job:
                told(job)
                journey = await self._make(opened, job)
                use = LooksUse.ALL if job.left_ns > 0 else LooksUse.PARTLY
                return replace(journey, looks=use)
        except CustodesError as error:
            structlog.get_logger().warning("a journey is told without looks", error=str(error))
            return replace(await self._make(opened, None), looks_note=str(error))

    async def _make(self, opened: JourneyOpened, job: LookJob | None) -> Journey:
        specs = {spec.camera_id: spec for spec in await self._catalog.cameras()}
        cameras = [specs[one] for one in opened.camera_ids if one in specs]
        ways = await self._ways()
        site = _Site(cameras, await self._catalog.frame_shapes())
        tracks = await self._tracks(opened)
        passages = [site.passage(one, opened.start_ns) for one in tracks]
        steps, paths = await self._trail(opened, site, passages, ways, job)
        return Journey(
            request_id=opened.request_id,
            person_id=opened.person_id,
            name=opened.name,
            reference=opened.purpose.reference,
            start_ns=opened.start_ns,
            end_ns=opened.end_ns,
            steps=tuple(_told(steps, tracks, passages, paths, opened.start_ns)),
            cameras=tuple([await self._seen(spec, site, opened) for spec in cameras]),
            learnt_ways=len(ways),
            log_index=opened.log_index,
            confirmed=len(opened.verified),
        )

    async def exhibit(self, who: Principal, request_id: str) -> bytes:
        """See `Journeys`."""
        journey = await self.follow(who, request_id)
        if not journey.steps and journey.confirmed:
            raise FailedPrecondition(
                "No track is known of the body of who was confirmed: there is nothing to take along."
            )
        if not journey.steps:
            raise FailedPrecondition("Nobody confirmed this person in that stretch: there is nothing to take along.")
        return await self._exhibits.make(who, journey)

    async def _tracks(self, opened: JourneyOpened) -> list[Tracklet]:
        """People's, by start."""
        if not opened.verified:
            return []  # without a word of two people nothing is looked at
        scope = CameraScope(is_all=False, camera_ids=frozenset(opened.camera_ids))
        found = await self._catalog.tracks_within(scope, opened.start_ns, opened.end_ns, MAX_TRACKS)
        if len(found) >= MAX_TRACKS:
            raise ResourceExhausted(
                f"More than {MAX_TRACKS} tracks in that stretch. Ask for fewer cameras, or for less time."
            )
        return sorted(
            (one for one in found if one.object_class is ObjectClass.PERSON),
            key=lambda one: (one.start_ns, one.camera_id, one.track_id),
        )

    async def _ways(self) -> Ways:
        """Between cameras: as drawn, else as hours of flows say, figures about ten people at least."""
        now_ns = self._clock.now_ns()
        hours = await self._catalog.figures(FlowHour, None, Ns(now_ns - LEARN_NS), now_ns, _MAX_HOURS)
        layouts = await self._catalog.layouts(1)
        return await asyncio.to_thread(ways_of, hours, layouts[0].ways if layouts else ())

    async def _trail(
        self, opened: JourneyOpened, site: "_Site", passages: Sequence[Passage], ways: Ways, job: LookJob | None
    ) -> tuple[list[Step], Paths]:
        span_s = (opened.end_ns - opened.start_ns) / NS_PER_S
        possible = await asyncio.to_thread(links, passages, ways, span_s)
        chance = await asyncio.to_thread(marginals, possible, len(passages))
        index_of = {one.key: index for index, one in enumerate(passages)}
        walk = trail(
            passages,
            possible,
            chance,
            verified=_known_at(opened, index_of),
            excluded=_indices(opened.excluded, index_of),
            has_looks=job is not None,
        )
        paths: Paths = {}
        answer: Answer | None = None
        while True:
            # A step over many links takes a tenth of a second.
            step = await asyncio.to_thread(_advance, walk, answer)
            if isinstance(step, list):
                break
            if not isinstance(step, Meet):
                assert job is not None, "looks are asked for where a job was promised"
                answer = await job.alike(step)
            else:
                one, seen = passages[step.index], None
                if job is not None:
                    seen = await self._stayed(site, one, step.at_s, opened.start_ns, index_of, job)
                if seen is None:
                    seen, paths[step.index] = await self._met(site, one, opened.start_ns, index_of)
                answer = seen
        if job is not None:
            for told in step:
                paths[told.index] = await self._path(site, passages[told.index], told, opened.start_ns)
        return step, paths

    async def _stayed(
        self, site: "_Site", one: Passage, at_s: float, origin_ns: Ns, index_of: Mapping[TrackKey, int], job: LookJob
    ) -> Company | None:
        """Which tracks were the same dot as one was at a moment, by the job that holds the looks; None without any."""
        grounds = site.beside(one.camera_id)
        if not grounds:
            return {}
        met = await job.stay(one.key, Ns(origin_ns + round(at_s * NS_PER_S)), tuple(grounds))
        if met is None:
            return None
        return {index_of[key]: in_seconds(found, origin_ns) for key, found in met.items() if key in index_of}

    async def _path(self, site: "_Site", one: Passage, step: Step, origin_ns: Ns) -> Path:
        """Where a step went, as far as it is told."""
        ground = site.beside(one.camera_id).get(one.camera_id)
        if ground is None:
            return ()
        points: list[tuple[Ns, float, float]] = []
        for low_s, high_s in step.spans_s or ((one.start_s, one.end_s),):
            for start_ns, end_ns in _parts(round(low_s * NS_PER_S), round(high_s * NS_PER_S)):
                frames = await self._catalog.analysed(one.camera_id, Ns(origin_ns + start_ns), Ns(origin_ns + end_ns))
                placed = await asyncio.to_thread(placed_in, {one.camera_id: frames}, {one.camera_id: ground})
                points += path(placed, one.key)
        return tuple(points)

    async def _met(
        self, site: "_Site", one: Passage, origin_ns: Ns, index_of: Mapping[TrackKey, int]
    ) -> tuple[Company, Path]:
        """Who was with a track, and its path."""
        grounds = site.beside(one.camera_id)
        if not grounds:
            return {}, ()
        placed: list[tuple[int, Placed]] = []
        for start_ns, end_ns in _parts(round(one.start_s * NS_PER_S), round(one.end_s * NS_PER_S)):
            span = Ns(origin_ns + start_ns - AROUND_NS), Ns(origin_ns + end_ns + AROUND_NS)
            frames = {camera_id: await self._catalog.analysed(camera_id, *span) for camera_id in grounds}
            placed += await asyncio.to_thread(placed_in, frames, grounds)
        found = await asyncio.to_thread(company, placed, one.key)
        known = {index_of[key]: Met(share=share) for key, share in found.items() if key in index_of}
        return known, path(placed, one.key)

    async def _seen(self, spec: CameraSpec, site: "_Site", opened: JourneyOpened) -> CameraSeen:
        span = opened.start_ns, opened.end_ns
        return CameraSeen(
            camera_id=spec.camera_id,
            name=spec.name,
            coverage=round(coverage_share(await self._catalog.coverage(spec.camera_id, *span), *span), 3),
            place_m=site.place_of(spec.camera_id),
            floor=spec.scene.floor,
        )


class _Site:
    """Grounds and floors of the cameras of one journey."""

    def __init__(self, cameras: Sequence[CameraSpec], shapes: Shapes) -> None:
        self._shapes = shapes
        grounds = {spec.camera_id: ground_of(spec.scene) for spec in cameras if spec.scene.floor}
        self._grounds = {camera_id: ground for camera_id, ground in grounds.items() if ground is not None}
        self._floors = {spec.camera_id: spec.scene.floor for spec in cameras}

    def beside(self, camera_id: CameraId) -> dict[CameraId, Homography]:
        """Grounds of all cameras of its floor, its own included; empty where its ground is not measured."""
        if camera_id not in self._grounds:
            return {}
        floor = self._floors[camera_id]
        return {one: ground for one, ground in self._grounds.items() if self._floors[one] == floor}

    def place_of(self, camera_id: CameraId) -> tuple[float, float] | None:
        """Where it hangs, in metres of its floor; None where its ground does not tell."""
        ground = self._grounds.get(camera_id)
        pose = None if ground is None else pose_of(ground, aspect_of(self._shapes, camera_id))
        return None if pose is None else (round(float(pose.place[0]), 2), round(float(pose.place[1]), 2))

    def passage(self, one: Tracklet, origin_ns: Ns) -> Passage:
        """A track with the places where it began and ended."""
        first, last = _foot(one.first_box_norm), _foot(one.last_box_norm)
        ground = self._grounds.get(one.camera_id)
        places = None if ground is None else ground.ground_of(np.array([first, last])).tolist()
        return Passage(
            key=(one.camera_id, one.run, one.track_id),
            start_s=(one.start_ns - origin_ns) / NS_PER_S,
            end_s=(one.end_ns - origin_ns) / NS_PER_S,
            first=first,
            last=last,
            floor=self._floors[one.camera_id],
            enter_m=None if places is None else (places[0][0], places[0][1]),
            leave_m=None if places is None else (places[1][0], places[1][1]),
        )


def _foot(box: tuple[float, float, float, float]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, box[3]


def _parts(start_ns: int, end_ns: int) -> list[tuple[int, int]]:
    if end_ns - start_ns <= 2 * PART_NS:
        return [(start_ns, end_ns)]
    return [(start_ns, start_ns + PART_NS), (end_ns - PART_NS, end_ns)]


def _indices(tracks: Sequence[VerifiedTrack], index_of: Mapping[TrackKey, int]) -> list[int]:
    keys = [(one.camera_id, one.run, one.track_id) for one in tracks]
    return sorted({index_of[key] for key in keys if key in index_of})


def _known_at(opened: JourneyOpened, index_of: Mapping[TrackKey, int]) -> dict[int, float]:
    """Tracks that two people confirmed, and when their faces were seen, in seconds from the stretch's start."""
    return {
        index_of[key]: ((one.start_ns + one.end_ns) / 2 - opened.start_ns) / NS_PER_S
        for one in opened.verified
        if (key := (one.camera_id, one.run, one.track_id)) in index_of
    }


def _advance(walk: Walk, answer: Answer | None) -> Wish | list[Step]:
    """What the chain wants to know next, or its steps."""
    try:
        return next(walk) if answer is None else walk.send(answer)
    except StopIteration as ended:
        found: list[Step] = ended.value
        return found


def _told(
    steps: Sequence[Step], tracks: Sequence[Tracklet], passages: Sequence[Passage], paths: Paths, origin_ns: Ns
) -> list[JourneyStep]:
    place = {step.index: at for at, step in enumerate(steps)}
    return [
        JourneyStep(
            camera_id=tracks[step.index].camera_id,
            run=tracks[step.index].run,
            track_id=tracks[step.index].track_id,
            start_ns=_bounds(step, tracks[step.index], origin_ns)[0],
            end_ns=_bounds(step, tracks[step.index], origin_ns)[1],
            kind=step.kind,
            probability=round(step.probability, 3),
            link_probability=round(step.link_probability, 3),
            runner_up=round(step.runner_up, 3),
            came_from=place[step.came_from],
            floor=passages[step.index].floor,
            look_nats=step.look,
            path_m=paths.get(step.index, ()),
        )
        for step in steps
    ]


def _bounds(step: Step, track: Tracklet, origin_ns: Ns) -> tuple[Ns, Ns]:
    """From when to when a track is told to be the person's."""
    if not step.spans_s:
        return track.start_ns, track.end_ns
    low_s, high_s = step.spans_s[0][0], step.spans_s[-1][1]
    return Ns(origin_ns + round(low_s * NS_PER_S)), Ns(origin_ns + round(high_s * NS_PER_S))
