"""The view broker: asks the warden, gives task and grant to a job, hands on what the job renders.

No picture passes here without a grant, and a grant exists only after its log entry is durable. The broker sees
rendered (masked, marked) media only; it has no key.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Sequence

import structlog

from custodes.app.serving.jobs import JobLink, JobPool
from custodes.app.serving.mask_feed import MaskFeed
from custodes.app.serving.recall import AHEAD_NS, RecallService
from custodes.app.serving.view import RunningView, ViewOrder
from custodes.config import SiteConfig
from custodes.errors import CustodesError, InvalidArgument, NotFound, PermissionDenied
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import AccessRequest, Action, Fidelity, Grant, Principal, Purpose
from custodes.types.event import FrameAnalysed
from custodes.types.media import Segment
from custodes.types.message import MaskFacts, ViewKind, ViewTask
from custodes.types.scene import Point
from custodes.types.stream import WHOLE_PICTURE, camera_of, is_second
from custodes.units import NS_PER_S, CameraId, Ns, RunId, SessionId

MAX_SEGMENTS = 20_000
"""Two weeks of one camera in one-minute segments; `review.archive` takes no more."""

RECENT_FRAMES = 256
RECENT_NS = 20 * NS_PER_S
"""Analysed frames kept per camera in memory, so that a new live view can show its first GOP."""

Polygons = tuple[tuple[Point, ...], ...]

_ACTIONS = {ViewKind.LIVE: Action.WATCH_LIVE, ViewKind.EXPORT: Action.EXPORT}
_RECALLED = frozenset({ViewKind.STILL, ViewKind.PLAYBACK})
"""Live needs no files; an export brings all of its own back first (`exports`)."""
_MIN_SPEED, _MAX_SPEED = 0.25, 16.0
_MIN_HEIGHT_PX, _MAX_HEIGHT_PX = 90, 2160


class ServerViewBroker:
    """`ports.views.ViewBroker`. Used on the event loop only."""

    def __init__(
        self, *, catalog: AsyncCatalog, warden: Warden, jobs: JobPool, clock: Clock, config: SiteConfig
    ) -> None:
        self._catalog = catalog
        self._warden = warden
        self._jobs = jobs
        self._clock = clock
        self._config = config
        self._views: set[RunningView] = set()
        self._recent: dict[CameraId, deque[FrameAnalysed]] = {}
        self._open: dict[CameraId, Segment] = {}
        self._recall: RecallService | None = None

    def recall_with(self, service: RecallService) -> None:
        """Footage that is gone from the disk is looked for elsewhere from now on."""
        self._recall = service

    # -- news from the facts socket and the journal ------------------------------------------------------------

    def on_frames(self, camera_id: CameraId, frames: Sequence[FrameAnalysed]) -> None:
        """Analysed just now, not yet stored: live views get them at once."""
        self._recent.setdefault(camera_id, deque(maxlen=RECENT_FRAMES)).extend(frames)
        for view in self._views:
            if view.order.camera_id == camera_id:
                view.add_masks(frames)

    def on_segment(self, segment: Segment) -> None:
        """A segment that grows."""
        self._open[segment.header.camera_id] = segment
        self.on_segments((segment,))

    def on_segments(self, segments: Sequence[Segment]) -> None:
        """Segments that began, grew or were sealed."""
        for view in self._views:
            if view.order.kind is not ViewKind.LIVE:
                view.add_segments([segment for segment in segments if view.order.wants(segment)])

    # -- opening -----------------------------------------------------------------------------------------------

    async def open_view(
        self,
        *,
        principal: Principal,
        purpose: Purpose,
        kind: ViewKind,
        camera_id: CameraId,
        start_ns: Ns,
        end_ns: Ns,
        fidelity: Fidelity,
        speed: float,
        max_height_px: int,
        request_id: str = "",
        shown: tuple[tuple[RunId, int], ...] = (),
    ) -> RunningView:
        """See `ViewBroker`."""
        _check(start_ns, end_ns, speed, max_height_px)
        if all(spec.camera_id != camera_of(camera_id) for spec in await self._catalog.cameras()):
            raise NotFound(f"no camera {camera_of(camera_id)}")
        now_ns = self._clock.now_ns()
        deadline_ns = Ns(now_ns + self._config.views.deadline_s * NS_PER_S)
        order = ViewOrder(
            kind=kind,
            camera_id=camera_id,
            session_id=SessionId(secrets.token_hex(12)),
            principal=principal,
            purpose=purpose,
            start_ns=now_ns if kind is ViewKind.LIVE else start_ns,
            end_ns=end_ns,
            fidelity=fidelity,
            speed=speed,
            max_height_px=max_height_px,
            deadline_ns=min(deadline_ns, end_ns) if kind is ViewKind.LIVE else deadline_ns,
            request_id=request_id,
            shown=shown,
        )
        feed = MaskFeed(self._catalog, self._clock, camera_id, speed=speed)
        view = RunningView(order, self, feed, self._clock)
        await view.start()
        self._views.add(view)
        return view

    async def start_job(self, order: ViewOrder, position_ns: Ns) -> tuple[Grant, JobLink, list[Segment]]:
        """Authorise, take a job, give it task and first masks. For `RunningView`; also after a job's death.

        Raises: PermissionDenied with the decision's reasons, Unavailable when warden or jobs are not there.
        """
        grant = await self._authorise(order)
        try:
            if self._recall is not None and order.kind in _RECALLED:
                await self._recall.begin(order.session_id, await self._segments(order))
                await self._recall.around(order.session_id, position_ns, ahead_ns=0)
            link = await self._jobs.take()
            try:
                segments = await self._segments(order)
                privacy = await self._privacy(order.camera_id)
                await link.channel.send(self._task(order, grant, position_ns, segments, privacy))
                if order.kind is ViewKind.LIVE:
                    await link.channel.send(MaskFacts(frames=self._recent_frames(order.camera_id)))
            except BaseException:
                await link.channel.close()
                raise
        except BaseException:
            await self.end_grant(grant, 0)
            raise
        return grant, link, segments

    async def recall(self, order: ViewOrder, utc_ns: Ns, *, is_ahead: bool) -> list[Segment]:
        """See `JobStarter`."""
        if self._recall is None or order.kind not in _RECALLED:
            return []
        return await self._recall.around(order.session_id, utc_ns, ahead_ns=AHEAD_NS if is_ahead else 0)

    async def _authorise(self, order: ViewOrder) -> Grant:
        is_live = order.kind is ViewKind.LIVE
        now_ns = self._clock.now_ns()
        answer = await self._warden.authorise(
            AccessRequest(
                principal=order.principal,
                action=_ACTIONS.get(order.kind, Action.PLAY_BACK),
                purpose=order.purpose,
                camera_id=camera_of(order.camera_id),
                start_ns=now_ns if is_live else order.start_ns,
                end_ns=min(order.end_ns, order.deadline_ns) if is_live else order.end_ns,
                fidelity=order.fidelity,
                session_id=order.session_id,
                request_id=order.request_id,
                shown=order.shown,
            )
        )
        if answer.grant is None:
            raise PermissionDenied(" ".join(answer.decision.reasons) or "no policy allows it")
        return answer.grant

    async def _privacy(self, camera_id: CameraId) -> Polygons:
        """As it is now: a zone that was drawn since covers old recordings, too. Raises: NotFound."""
        spec = next((one for one in await self._catalog.cameras() if one.camera_id == camera_of(camera_id)), None)
        if spec is None:
            raise NotFound(f"no camera {camera_of(camera_id)}")
        if is_second(camera_id) and spec.second is None:
            # Recorded before it was taken out of the configuration: how the zones lay in it is not known any more.
            return (WHOLE_PICTURE,) if spec.scene.privacy else ()
        return next(one.scene.privacy for one in spec.streams() if one.camera_id == camera_id)

    def _task(
        self, order: ViewOrder, grant: Grant, position_ns: Ns, segments: list[Segment], privacy: Polygons
    ) -> ViewTask:
        return ViewTask(
            kind=order.kind,
            camera_id=order.camera_id,
            session_id=order.session_id,
            grant_token=grant.token,
            fidelity=order.fidelity,
            deadline_ns=min(order.deadline_ns, grant.expires_ns),
            start_ns=position_ns,
            speed=order.speed,
            max_height_px=order.max_height_px,
            segments=tuple(segments),
            end_ns=order.end_ns,
            privacy=privacy,
            shown=order.shown,
            tasks=order.tasks,
        )

    async def _segments(self, order: ViewOrder) -> list[Segment]:
        if order.kind is ViewKind.LIVE:
            return []
        return await self.segments_between(order.camera_id, order.start_ns, order.end_ns)

    async def segments_between(self, camera_id: CameraId, start_ns: Ns, end_ns: Ns) -> list[Segment]:
        """What was recorded then, by start time, the segment that still grows included."""
        found = await self._catalog.segments(camera_id, start_ns, end_ns, MAX_SEGMENTS)
        by_id = {segment.header.segment_id: segment for segment in found}
        growing = self._open.get(camera_id)
        if growing is not None and growing.header.start_ns <= end_ns and growing.end_ns >= start_ns:
            known = by_id.get(growing.header.segment_id)
            if known is None or not known.is_sealed:
                by_id[growing.header.segment_id] = growing
        return sorted(by_id.values(), key=lambda segment: segment.header.start_ns)

    def _recent_frames(self, camera_id: CameraId) -> tuple[FrameAnalysed, ...]:
        since_ns = self._clock.now_ns() - RECENT_NS
        return tuple(fact for fact in self._recent.get(camera_id, ()) if fact.frame.utc_ns >= since_ns)

    # -- ending ------------------------------------------------------------------------------------------------

    async def end_grant(self, grant: Grant, frames_shown: int) -> None:
        """Tell the warden that a job's grant is over. A warden that restarted has forgotten it already."""
        try:
            await self._warden.end_grant(grant.grant_id, frames_shown)
        except CustodesError as error:
            structlog.get_logger().warning("end of a view could not be logged", error=str(error))

    def remove(self, view: RunningView) -> None:
        """The view is over."""
        self._views.discard(view)
        if self._recall is not None:
            self._recall.end(view.order.session_id)

    async def close(self) -> None:
        """Stop all views."""
        await asyncio.gather(*(view.stop() for view in list(self._views)))


def _check(start_ns: Ns, end_ns: Ns, speed: float, max_height_px: int) -> None:
    if end_ns <= start_ns:
        raise InvalidArgument("a view's interval ends after it begins")
    if not _MIN_SPEED <= speed <= _MAX_SPEED:
        raise InvalidArgument(f"speed {speed} is not within {_MIN_SPEED} to {_MAX_SPEED}")
    if not _MIN_HEIGHT_PX <= max_height_px <= _MAX_HEIGHT_PX:
        raise InvalidArgument(f"height {max_height_px} is not within {_MIN_HEIGHT_PX} to {_MAX_HEIGHT_PX}")
