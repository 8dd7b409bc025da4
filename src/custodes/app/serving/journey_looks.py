"""Looks for one journey, as the server asks for them: grants camera by camera, a job that looks, likenesses back.

The server sees no picture and no vector: it says which tracks, and hears how alike they are. One journey at a time.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from custodes.app.serving.jobs import JobLink, JobPool
from custodes.app.serving.views import ServerViewBroker
from custodes.errors import CustodesError, ResourceExhausted, Unavailable
from custodes.journey.clothes import Alike, Compare
from custodes.journey.fusion import TrackKey
from custodes.journey.sighting import overlapping
from custodes.journey.together import Met
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import Grant, Principal
from custodes.types.journey import JourneyOpened
from custodes.types.journey_job import (
    BeginLooks,
    CompareTracks,
    FindStay,
    LookMoment,
    LooksBegun,
    LooksEnded,
    LooksFailed,
    LooksTask,
    LookTrack,
    NeedFrames,
    OpenCamera,
    StayFound,
    TracksCompared,
)
from custodes.types.message import CameraSpec, MaskFacts, StopView
from custodes.types.vision import Tracklet
from custodes.units import NS_PER_S, CameraId, Ns

A = TypeVar("A")

BUDGET_NS = Ns(3600 * NS_PER_S)
"""Of video decoded for one journey: some ten minutes of two cores at 1080p, at a low priority."""
JOB_NS = Ns(1800 * NS_PER_S)
STOP_S = 10.0
"""To finish a picture and overwrite what it knows; a job that does not is killed, and its memory with it."""
PARTS = 3
"""Stretches of a track that are searched for moments in which nobody stood in the way."""
PART_NS = 4 * NS_PER_S
MOMENTS = 4
"""Of each."""
MAX_FACTS = 12_000
"""Five minutes at 40 analysed frames a second."""


class LookDesk:
    """Makes a `LookJob` for a journey. Used on the event loop only."""

    def __init__(
        self, *, catalog: AsyncCatalog, warden: Warden, jobs: JobPool, views: ServerViewBroker, clock: Clock
    ) -> None:
        self._catalog = catalog
        self._warden = warden
        self._jobs = jobs
        self._views = views
        self._clock = clock
        self._one = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def job(
        self, who: Principal, opened: JourneyOpened, specs: Mapping[CameraId, CameraSpec], tracks: Sequence[Tracklet]
    ) -> AsyncIterator["LookJob"]:
        """A job for as long as the block lasts. Raises: Unavailable."""
        async with self._one:
            link = await self._jobs.take()
            made = LookJob(link, who, opened, specs, tracks, catalog=self._catalog, warden=self._warden,
                           views=self._views, deadline_ns=Ns(self._clock.now_ns() + JOB_NS))  # fmt: skip
            try:
                await made.begin()
                async with asyncio.timeout(JOB_NS / NS_PER_S):
                    yield made
            except TimeoutError as error:
                raise Unavailable(f"looks took longer than {JOB_NS // NS_PER_S} s") from error
            finally:
                await made.end()


class LookJob:
    """One journey's job. Any error ends its use: what was told by then is of no use alone."""

    def __init__(
        self,
        link: JobLink,
        who: Principal,
        opened: JourneyOpened,
        specs: Mapping[CameraId, CameraSpec],
        tracks: Sequence[Tracklet],
        *,
        catalog: AsyncCatalog,
        warden: Warden,
        views: ServerViewBroker,
        deadline_ns: Ns,
    ) -> None:
        self._link = link
        self._who = who
        self._opened = opened
        self._specs = specs
        self._tracks = tracks
        self._catalog = catalog
        self._warden = warden
        self._views = views
        self._deadline_ns = deadline_ns
        self._incoming: asyncio.Queue[object] = asyncio.Queue()
        self._grants: dict[CameraId, Grant] = {}
        self._sent: set[int] = set()
        self.left_ns = BUDGET_NS

    @property
    def cameras(self) -> int:
        """That were opened."""
        return len(self._grants)

    async def begin(self) -> None:
        """Give the task."""
        self._link.listen(self._incoming.put_nowait)
        await self._link.channel.send(
            LooksTask(request_id=self._opened.request_id, deadline_ns=self._deadline_ns, budget_ns=BUDGET_NS)
        )

    async def alike(self, wanted: Compare) -> Alike:
        """What looks say of pairs of tracks, by index. Raises: what warden and job complain of; Unavailable."""
        pairs = wanted.pairs
        fresh = sorted({index for pair in pairs for index in pair} - self._sent)
        for camera_id in {self._tracks[index].camera_id for index in fresh}:
            await self._open(camera_id)
        tracks = tuple([await self._moments(index) for index in fresh])
        new = itertools.takewhile(wanted.chances.__contains__, pairs)
        chances = tuple(wanted.chances[pair] for pair in new)
        asked = CompareTracks(tracks=tracks, pairs=pairs, chances=chances, one=wanted.one)
        self._sent |= set(fresh)
        answer = await self._ask(asked, TracksCompared)
        self.left_ns = answer.left_ns
        return dict(zip(pairs, answer.nats, strict=True))

    async def stay(self, key: TrackKey, at_ns: Ns, camera_ids: Sequence[CameraId]) -> dict[TrackKey, Met] | None:
        """Which tracks were the same dot as one was at a moment, with spans in UTC ns; None where nobody could be
        looked at. Raises: as `alike`."""
        for camera_id in camera_ids:
            await self._open(camera_id)
        camera_id, run, track_id = key
        asked = FindStay(camera_ids=tuple(camera_ids), camera_id=camera_id, run=run, track_id=track_id, at_ns=at_ns)
        answer = await self._ask(asked, StayFound)
        self.left_ns = answer.left_ns
        if not answer.is_seen:
            return None
        return {
            (one.camera_id, one.run, one.track_id): Met(share=one.share, spans=one.spans, look=one.nats)
            for one in answer.tracks
        }

    async def end(self) -> None:
        """Stop the job, and its grants at the warden, whatever happened."""
        with contextlib.suppress(CustodesError, OSError, TimeoutError):
            await self._link.channel.send(StopView())
            async with asyncio.timeout(STOP_S):
                while not isinstance(await self._next(), LooksEnded):
                    pass  # an answer that nobody waits for any more
        self._link.kill()
        await self._link.channel.close()
        for grant in self._grants.values():
            await self._warden.end_grant(grant.grant_id, 0)

    async def _open(self, camera_id: CameraId) -> None:
        """The warden decides and logs; then the job may ask it for keys."""
        if camera_id in self._grants:
            return
        begun = await self._warden.about_requests(
            BeginLooks(principal=self._who, request_id=self._opened.request_id, camera_id=camera_id)
        )
        assert isinstance(begun, LooksBegun)
        self._grants[camera_id] = begun.grant
        start_ns, end_ns = self._opened.start_ns, self._opened.end_ns
        segments = await self._views.segments_between(camera_id, start_ns, end_ns)
        await self._link.channel.send(
            OpenCamera(
                camera_id=camera_id,
                grant_token=begun.grant.token,
                start_ns=start_ns,
                end_ns=end_ns,
                scene=self._specs[camera_id].scene,
                segments=tuple(segments),
            )
        )

    async def _moments(self, index: int) -> LookTrack:
        """Some moments of a track in which nobody stood in the way; where there is none, any."""
        track = self._tracks[index]
        clear: list[LookMoment] = []
        mixed: list[LookMoment] = []
        last_ns = max(track.end_ns - PART_NS, track.start_ns)
        for begin_ns in sorted({round(at) for at in np.linspace(track.start_ns, last_ns, PARTS)}):
            end_ns = min(begin_ns + PART_NS, track.end_ns)
            found: tuple[list[LookMoment], list[LookMoment]] = [], []
            for fact in await self._catalog.analysed(track.camera_id, Ns(begin_ns), Ns(end_ns)):
                frame = fact.frame
                rows = np.flatnonzero((frame.track_ids == track.track_id) & frame.is_measured)
                if frame.run == track.run and len(rows):
                    x1, y1, x2, y2 = frame.boxes_norm[rows[0]].tolist()
                    moment = LookMoment(utc_ns=frame.utc_ns, box_norm=(x1, y1, x2, y2))
                    found[int(overlapping(frame)[rows[0]])].append(moment)
            clear += _spread(found[0])
            mixed += _spread(found[1])
        return LookTrack(
            index=index,
            camera_id=track.camera_id,
            run=track.run,
            track_id=track.track_id,
            start_ns=track.start_ns,
            end_ns=track.end_ns,
            moments=tuple(clear or mixed),
        )

    async def _ask(self, message: object, wanted: type[A]) -> A:
        await self._link.channel.send(message)
        while True:
            answer = await self._next()
            if isinstance(answer, wanted):
                return answer
            if isinstance(answer, LooksFailed):
                raise ResourceExhausted(answer.error)
            if isinstance(answer, NeedFrames) and answer.camera_id in self._grants:
                start_ns = Ns(max(answer.start_ns, self._opened.start_ns))
                end_ns = Ns(min(answer.end_ns, self._opened.end_ns))
                frames = await self._catalog.analysed(answer.camera_id, start_ns, end_ns)
                await self._link.channel.send(MaskFacts(frames=tuple(frames[:MAX_FACTS])))

    async def _next(self) -> object:
        return await self._link.next_of(self._incoming, "the job that compares clothes died")


def _spread(some: Sequence[LookMoment]) -> list[LookMoment]:
    chosen = np.linspace(0, len(some) - 1, min(MOMENTS, len(some))).round().astype(int).tolist()
    return [some[at] for at in chosen]
