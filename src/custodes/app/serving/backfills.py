"""Back-fills: authorised and logged like an export, run by a job one at a time, stored stretch by stretch.

One runs at a time; others wait in line and are decided when their turn comes. Order: grant (logged) → job reads and
analyses → each stretch replaced in one transaction → entry `analysis_replaced`. The server sees facts only. A reader
sees the older or the newer analysis of a stretch, never a mixture of both.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import structlog

from custodes.app.serving.facts import checked
from custodes.app.serving.jobs import JobLink, JobPool
from custodes.errors import (
    CustodesError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ProtocolError,
    ResourceExhausted,
    Unavailable,
)
from custodes.ports.catalog_async import AsyncCatalog
from custodes.ports.clock import Clock
from custodes.ports.warden import Warden
from custodes.types.access import (
    AccessRequest,
    Action,
    AuditKind,
    AuditRecord,
    Fidelity,
    Grant,
    Principal,
    Purpose,
)
from custodes.types.backfill import (
    AnalysedStretch,
    Backfill,
    BackfillEnded,
    BackfillFacts,
    BackfillState,
    BackfillTable,
    BackfillTask,
    StretchAnalysed,
    StretchStored,
)
from custodes.types.codec import decode
from custodes.types.event import FrameAnalysed, LineCrossed, TrackEnded
from custodes.types.media import Segment
from custodes.types.message import CameraSpec, StopView
from custodes.types.stream import camera_of, is_second
from custodes.units import NS_PER_S, CameraId, Ns, SessionId
from custodes.web.auth.people import principal_of

MAX_SPAN_NS = 8 * 86_400 * NS_PER_S
"""A week and a day; `review.archive` takes two weeks of segments."""

SETTLED_NS = 120 * NS_PER_S
"""What is younger may still be analysed live, or lie in a segment that grows."""

MAX_SEGMENTS = 20_000
MAX_FACTS = 200_000
"""Of one stretch of two minutes; a job that sends more is broken."""

MAX_WAITING = 100
"""Half of what the catalog lists, so that each is found when its turn comes."""

STOP_TIMEOUT_S = 3.0

PATIENCE = 6.0
"""A job at a low priority that loads a model may take two minutes on a machine that is busy; nobody waits."""


class _Running:
    """The one at work."""

    def __init__(self, backfill: Backfill, began_ns: int) -> None:
        self.backfill = backfill
        self.began_ns = began_ns
        """By the monotonic clock."""
        self.began_at_ns = backfill.position_ns
        self.wanted: BackfillState | None = None
        """Paused or cancelled, when somebody said so."""
        self.facts: list[FrameAnalysed | TrackEnded | LineCrossed] = []
        self.messages: asyncio.Queue[object] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None


class Backfills:
    """Starts, lists and stops back-fills. Used on the event loop only."""

    def __init__(self, *, catalog: AsyncCatalog, warden: Warden, jobs: JobPool, clock: Clock) -> None:
        self._catalog = catalog
        self._warden = warden
        self._jobs = jobs
        self._clock = clock
        self._running: _Running | None = None
        self._line: deque[tuple[int, str]] = deque()
        """Version and user of those that wait, in the order in which they were asked for."""
        self._is_closing = False

    async def recover(self) -> None:
        """After a start: what ran when the server ended is paused. Its job ended with its socket."""
        for one in await self._catalog.backfills():
            if one.state in (BackfillState.RUNNING, BackfillState.WAITING):
                detail = "the server was started again; resume it to go on"
                await self._catalog.put_backfill(replace(one, state=BackfillState.PAUSED, detail=detail))

    async def start(
        self, *, principal: Principal, purpose: Purpose, camera_ids: Sequence[CameraId], start_ns: Ns, end_ns: Ns
    ) -> BackfillTable:
        """See `ports.backfills.BackfillDesk`."""
        end_ns = min(end_ns, Ns(self._clock.now_ns() - SETTLED_NS))
        if not 0 < end_ns - start_ns <= MAX_SPAN_NS:
            raise InvalidArgument("a back-fill covers more than nothing, at most eight days, and ends 2 minutes ago")
        if not camera_ids or len(set(camera_ids)) != len(camera_ids):
            raise InvalidArgument("a back-fill names at least one camera, and none twice")
        asked = [
            Backfill(
                version=0,
                camera_id=camera_id,
                start_ns=start_ns,
                end_ns=end_ns,
                position_ns=start_ns,
                state=BackfillState.WAITING,
                detail="",
                person=principal.name,
                purpose=purpose,
                model="",
                created_ns=self._clock.now_ns(),
            )
            for camera_id in camera_ids
        ]
        for one in asked:
            await self._recorded(one)
        return await self._enter(asked, principal)

    async def resume(self, version: int, principal: Principal) -> BackfillTable:
        """See `ports.backfills.BackfillDesk`."""
        backfill = await self._find(version)
        if backfill.state is not BackfillState.PAUSED:
            raise FailedPrecondition(f"back-fill {version} is {backfill.state.value}, not paused")
        return await self._enter([replace(backfill, state=BackfillState.WAITING, detail="")], principal)

    async def pause(self, version: int, *, is_cancel: bool) -> BackfillTable:
        """See `ports.backfills.BackfillDesk`."""
        wanted = BackfillState.CANCELLED if is_cancel else BackfillState.PAUSED
        running = self._running
        if running is not None and running.backfill.version == version:
            if running.task is None:
                raise FailedPrecondition(f"back-fill {version} is being begun; try again")
            running.wanted = wanted
            running.messages.put_nowait(StopView())
            await asyncio.wait({running.task})
            return BackfillTable(backfills=(await self._find(version),))
        self._line = deque(one for one in self._line if one[0] != version)
        backfill = await self._find(version)
        if backfill.state not in (BackfillState.PAUSED, BackfillState.WAITING):
            raise FailedPrecondition(f"back-fill {version} is {backfill.state.value}")
        return BackfillTable(backfills=(await self._catalog.put_backfill(replace(backfill, state=wanted, detail="")),))

    async def table(self) -> BackfillTable:
        """The latest, newest first."""
        return BackfillTable(backfills=tuple(await self._catalog.backfills()))

    def left_s(self, version: int) -> float | None:
        """See `ports.backfills.BackfillDesk`."""
        running = self._running
        if running is None or running.backfill.version != version:
            return None
        done_ns = running.backfill.position_ns - running.began_at_ns
        if done_ns <= 0:
            return None
        left_ns = running.backfill.end_ns - running.backfill.position_ns
        return (self._clock.monotonic_ns() - running.began_ns) / done_ns * left_ns / NS_PER_S

    async def close(self) -> None:
        """The server ends: pause what runs. What waits is paused by `recover`."""
        self._is_closing = True
        if self._running is not None and self._running.task is not None:
            await self.pause(self._running.backfill.version, is_cancel=False)

    # -- the line --------------------------------------------------------------------------------------------

    async def _enter(self, asked: Sequence[Backfill], principal: Principal) -> BackfillTable:
        """Begin the first if nothing runs or waits, and put the others into the line."""
        if len(self._line) + len(asked) > MAX_WAITING:
            raise ResourceExhausted(f"at most {MAX_WAITING} back-fills wait; {len(self._line)} do")
        entered: list[Backfill] = []
        rest = list(asked)
        if self._running is None and not self._line:
            entered.append(await self._begin(rest.pop(0), principal))
        for one in rest:
            waiting = await self._catalog.put_backfill(one)
            self._line.append((waiting.version, principal.user_id))
            entered.append(waiting)
        if self._running is None:  # what was begun above has ended meanwhile
            await self._next_in_line()
        return BackfillTable(backfills=tuple(entered))

    async def _next_in_line(self) -> None:
        """Begin the first that may still be made. Who asked is looked up anew: roles may have gone since."""
        while self._line and self._running is None and not self._is_closing:
            version, user_id = self._line.popleft()
            backfill = await self._find(version)
            try:
                account = await self._catalog.account(user_id)
                if account is None:
                    raise PermissionDenied("who asked for it has no account any more")
                await self._begin(backfill, principal_of(account))
            except (Unavailable, FailedPrecondition) as error:
                await self._catalog.put_backfill(replace(backfill, state=BackfillState.PAUSED, detail=str(error)))
            except CustodesError as error:
                await self._catalog.put_backfill(replace(backfill, state=BackfillState.FAILED, detail=str(error)))

    # -- one at work -----------------------------------------------------------------------------------------

    async def _recorded(self, backfill: Backfill) -> tuple[CameraSpec, list[Segment]]:
        """The camera, and what of it is sealed in that time. Raises: NotFound, FailedPrecondition."""
        cameras = {one.camera_id: one for spec in await self._catalog.cameras() for one in spec.streams()}
        if backfill.camera_id not in cameras:
            raise NotFound(f"no camera {backfill.camera_id}")
        found = await self._catalog.segments(backfill.camera_id, backfill.start_ns, backfill.end_ns, MAX_SEGMENTS)
        segments = [segment for segment in found if segment.is_sealed]
        if not segments:
            raise FailedPrecondition(f"nothing that is sealed was recorded of {backfill.camera_id} in that time")
        return cameras[backfill.camera_id], segments

    async def _begin(self, backfill: Backfill, principal: Principal) -> Backfill:
        backfill = replace(backfill, state=BackfillState.RUNNING)
        running = self._running = _Running(backfill, self._clock.monotonic_ns())
        try:
            camera, segments = await self._recorded(backfill)
            grant = await self._authorise(backfill, principal)
            try:
                running.backfill = await self._catalog.put_backfill(backfill)
            except BaseException:
                await self._end_grant(grant)
                raise
        except BaseException:
            self._running = None
            raise
        work = self._work(running, camera, grant, segments)
        running.task = asyncio.get_running_loop().create_task(work, name=f"backfill-{running.backfill.version}")
        return running.backfill

    async def _authorise(self, backfill: Backfill, principal: Principal) -> Grant:
        answer = await self._warden.authorise(
            AccessRequest(
                principal=principal,
                action=Action.ANALYSE,
                purpose=backfill.purpose,
                camera_id=camera_of(backfill.camera_id),
                start_ns=backfill.start_ns,
                end_ns=backfill.end_ns,
                fidelity=Fidelity.MASKED,
                session_id=SessionId(f"backfill-{self._clock.now_ns()}"),
            )
        )
        if answer.grant is None:
            raise PermissionDenied(" ".join(answer.decision.reasons) or "no policy allows it")
        return answer.grant

    async def _work(self, running: _Running, camera: CameraSpec, grant: Grant, segments: Sequence[Segment]) -> None:
        """Until the job has ended, one way or another; its state is in the catalog then."""
        state, detail = BackfillState.FAILED, ""
        link: JobLink | None = None
        try:
            link = await self._jobs.take()
            backfill = running.backfill
            task = BackfillTask(
                camera=camera,
                grant_token=grant.token,
                deadline_ns=grant.expires_ns,
                start_ns=backfill.start_ns,
                end_ns=backfill.end_ns,
                position_ns=backfill.position_ns,
                segments=tuple(segments),
            )
            await link.channel.send(task)
            link.listen(running.messages.put_nowait)
            state, detail = await self._serve(running, link)
        except CustodesError as error:
            state, detail = BackfillState.PAUSED, str(error)
        finally:
            await _hang_up(link)
            await self._end_grant(grant)
            await self._finish(running, state, detail)
            self._running = None
        await self._next_in_line()

    async def _serve(self, running: _Running, link: JobLink) -> tuple[BackfillState, str]:
        while True:
            message = await self._next(running, link)
            match message:
                case BackfillFacts(facts=facts):
                    self._collect(running, facts)
                case StretchAnalysed():
                    await self._store(running, message)
                    await link.channel.send(StretchStored())
                case StopView():
                    assert running.wanted is not None
                    return running.wanted, ""
                case BackfillEnded(error="", unreadable=unreadable):
                    left_out = f"{unreadable} pieces could not be read and are masked whole" if unreadable else ""
                    return BackfillState.DONE, left_out
                case BackfillEnded(error=error):
                    return BackfillState.PAUSED, error
                case _:
                    raise ProtocolError(f"a back-fill's job sent {type(message).__name__}")

    async def _next(self, running: _Running, link: JobLink) -> object:
        """Its next message, or the word of a person. Raises: Unavailable when the job is gone."""
        return await link.next_of(running.messages, "the back-fill's job died; resume it to go on")

    def _collect(self, running: _Running, facts: Sequence[bytes]) -> None:
        for payload in facts:
            fact = checked(decode(payload))
            if not isinstance(fact, FrameAnalysed | TrackEnded | LineCrossed):
                raise ProtocolError(f"a back-fill's job sent a {type(fact).__name__}")
            if _camera_of(fact) != running.backfill.camera_id:
                raise ProtocolError(f"a back-fill of {running.backfill.camera_id} sent a fact of {_camera_of(fact)}")
            if isinstance(fact, FrameAnalysed) or not is_second(running.backfill.camera_id):
                running.facts.append(fact)  # what a second stream shows was counted on the first
        if len(running.facts) > MAX_FACTS:
            raise ProtocolError(f"a back-fill's stretch has more than {MAX_FACTS} facts")

    async def _store(self, running: _Running, told: StretchAnalysed) -> None:
        backfill, facts = running.backfill, running.facts
        if not backfill.position_ns <= told.start_ns < told.end_ns:
            raise ProtocolError(f"a stretch from {told.start_ns} to {told.end_ns} at {backfill.position_ns}")
        stretch = AnalysedStretch(
            camera_id=backfill.camera_id,
            start_ns=told.start_ns,
            end_ns=told.end_ns,
            version=backfill.version,
            model=told.model,
        )
        await self._catalog.replace_analysis(
            stretch,
            [fact for fact in facts if isinstance(fact, FrameAnalysed)],
            [fact for fact in facts if isinstance(fact, TrackEnded)],
            [fact for fact in facts if isinstance(fact, LineCrossed)],
        )
        running.facts = []
        running.backfill = await self._catalog.put_backfill(
            replace(backfill, position_ns=told.end_ns, model=told.model)
        )

    async def _finish(self, running: _Running, state: BackfillState, detail: str) -> None:
        backfill = replace(running.backfill, state=state, detail=detail)
        for note in (self._warden.append(_record(backfill)), self._catalog.put_backfill(backfill)):
            try:
                await note
            except CustodesError as error:
                structlog.get_logger().error("end of a back-fill cannot be noted", error=str(error))
        structlog.get_logger().info(
            "back-fill", version=backfill.version, camera_id=backfill.camera_id, state=state.value, detail=detail
        )

    async def _end_grant(self, grant: Grant) -> None:
        try:
            await self._warden.end_grant(grant.grant_id, 0)
        except CustodesError as error:
            structlog.get_logger().warning("end of a back-fill's grant could not be logged", error=str(error))

    async def _find(self, version: int) -> Backfill:
        for one in await self._catalog.backfills():
            if one.version == version:
                return one
        raise NotFound(f"there is no back-fill {version}")


async def _hang_up(link: JobLink | None) -> None:
    """A job that does not end with its socket is killed."""
    if link is None:
        return
    await link.channel.close()
    if not link.is_closed:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await link.closed.wait()
        link.kill()


def _camera_of(fact: FrameAnalysed | TrackEnded | LineCrossed) -> CameraId:
    match fact:
        case FrameAnalysed(frame=frame):
            return frame.camera_id
        case TrackEnded(tracklet=tracklet):
            return tracklet.camera_id
        case LineCrossed(camera_id=camera_id):
            return camera_id


def _record(backfill: Backfill) -> AuditRecord:
    details = {
        "version": str(backfill.version),
        "state": backfill.state.value,
        "from_ns": str(backfill.start_ns),
        "to_ns": str(backfill.position_ns),
        "model": backfill.model,
    }
    return AuditRecord(
        kind=AuditKind.ANALYSIS_REPLACED, actor="process:server", subject=backfill.camera_id, details=details
    )
