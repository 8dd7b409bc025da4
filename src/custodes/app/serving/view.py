"""One running view: its job, what goes to the job, what comes back, another job when that one dies."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from custodes.app.serving.jobs import JobLink
from custodes.app.serving.mask_feed import MaskFeed
from custodes.app.serving.outputs import OutputQueue
from custodes.errors import CustodesError, Unavailable
from custodes.ports.clock import Clock
from custodes.ports.views import ViewOutput
from custodes.types.access import Fidelity, Grant, Principal, Purpose
from custodes.types.event import FrameAnalysed
from custodes.types.media import Segment
from custodes.types.message import (
    MaskFacts,
    MediaChunk,
    MediaInit,
    MoreSegments,
    SeekTo,
    StillRendered,
    StopView,
    ViewEnded,
    ViewKind,
    ViewNote,
)
from custodes.units import NS_PER_S, CameraId, Ns, RunId, SessionId

RESTART_PAUSES_S = (0.3, 1.0, 3.0)
MAX_RESTARTS = len(RESTART_PAUSES_S)
"""In a row; a job that lived `HEALTHY_NS` starts the count anew."""

HEALTHY_NS = 60 * NS_PER_S
STOP_TIMEOUT_S = 2.0
DEADLINE_GRACE_S = 10.0
"""The job ends itself at its deadline; this much later it is killed."""

FEED_S = 0.5
EDGE_NS = 60 * NS_PER_S
"""A playback this near to now gets newly analysed frames at once, like a live view."""

MAX_OUTGOING = 512
MASKS_PER_MESSAGE = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOrder:
    """What was asked for, once and for all."""

    kind: ViewKind
    camera_id: CameraId
    """Of a stream (`types.stream`)."""
    session_id: SessionId
    principal: Principal
    purpose: Purpose
    start_ns: Ns
    end_ns: Ns
    fidelity: Fidelity
    speed: float
    max_height_px: int
    deadline_ns: Ns
    request_id: str = ""
    shown: tuple[tuple[RunId, int], ...] = ()
    """See `ViewTask`."""
    tasks: int = 0
    """See `ViewTask`."""

    def wants(self, segment: Segment) -> bool:
        """Whether the segment is of this camera and touches the interval."""
        header = segment.header
        is_ours = header.camera_id == self.camera_id
        return is_ours and header.start_ns <= self.end_ns and segment.end_ns >= self.start_ns


class JobStarter(Protocol):
    """The part of the broker that a view needs."""

    async def start_job(self, order: ViewOrder, position_ns: Ns) -> tuple[Grant, JobLink, list[Segment]]:
        """Authorise and give the task to a job."""
        ...

    async def recall(self, order: ViewOrder, utc_ns: Ns, *, is_ahead: bool) -> list[Segment]:
        """Bring back from elsewhere what is gone from the disk at a moment, and ahead of it; returns what came."""
        ...

    async def end_grant(self, grant: Grant, frames_shown: int) -> None:
        """The job is done."""
        ...

    def remove(self, view: "RunningView") -> None:
        """The view is over."""
        ...


class RunningView:
    """`ports.views.View`."""

    def __init__(self, order: ViewOrder, broker: JobStarter, feed: MaskFeed, clock: Clock) -> None:
        self.order = order
        self._broker = broker
        self._feed = feed
        self._clock = clock
        self._queue = OutputQueue()
        self._outgoing: deque[object] = deque()
        self._has_outgoing = asyncio.Event()
        self._position_ns = order.start_ns
        self._wish: SeekTo | None = None
        self._ended: ViewEnded | None = None
        self._relayed = 0
        self._is_stopping = False
        self._log_index = -1
        self._grant: Grant | None = None
        self._link: JobLink | None = None
        self._started_ns = Ns(0)
        self._deadline_ns = order.deadline_ns
        self._task: asyncio.Task[None] | None = None

    # -- ports.views.View --------------------------------------------------------------------------------------

    @property
    def session_id(self) -> str:
        """See `View`."""
        return self.order.session_id

    @property
    def log_index(self) -> int:
        """See `View`."""
        return self._log_index

    async def outputs(self) -> AsyncIterator[ViewOutput]:
        """See `View`."""
        while True:
            output = await self._queue.get()
            yield output
            if isinstance(output, ViewEnded):
                return

    async def seek(self, utc_ns: Ns, request_id: int) -> None:
        """See `View`. A moment outside of what was granted is answered by a note."""
        if not self.order.start_ns <= utc_ns <= self.order.end_ns:
            self._queue.put(
                ViewNote(code="outside", message="That moment is not part of this view.", request_id=request_id)
            )
            return
        self._wish = SeekTo(utc_ns=utc_ns, request_id=request_id)
        self._position_ns = utc_ns
        self.add_segments(await self._broker.recall(self.order, utc_ns, is_ahead=False))
        if self._wish is None or self._wish.request_id != request_id:
            return  # somewhere else is wanted by now
        self._feed.begin_at(utc_ns)
        self._send_masks(await self._feed.around(utc_ns))
        self._send(self._wish)

    async def __aenter__(self) -> "RunningView":
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    # -- news --------------------------------------------------------------------------------------------------

    def add_masks(self, frames: Sequence[FrameAnalysed]) -> None:
        """Analysed just now."""
        is_near = self._position_ns > self._clock.now_ns() - EDGE_NS
        if self.order.kind is ViewKind.LIVE or is_near:
            self._send_masks(frames)

    def add_segments(self, segments: Sequence[Segment]) -> None:
        """Began, grew or were sealed, within the interval."""
        if segments:
            self._feed.add_segments(segments)
            self._send(MoreSegments(segments=tuple(segments)))

    # -- life --------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """First job. Raises: what the broker's `start_job` raises."""
        try:
            await self._start_job()
        except BaseException:
            await self._release()
            raise
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"view-{self.order.session_id}")

    async def stop(self) -> None:
        """End job and grant; idempotent. Returns within a few seconds whatever the job does."""
        self._is_stopping = True
        self._send(StopView())
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=STOP_TIMEOUT_S)
            if not self._task.done() and self._link is not None:
                self._link.kill()
            await asyncio.wait({self._task}, timeout=STOP_TIMEOUT_S)
            self._task.cancel()
        self._broker.remove(self)

    async def _start_job(self) -> None:
        self._outgoing.clear()
        self._ended = None
        self._relayed = 0
        self._grant, self._link, segments = await self._broker.start_job(self.order, self._position_ns)
        if self._log_index < 0:
            self._log_index = self._grant.log_index
        self._deadline_ns = min(self.order.deadline_ns, self._grant.expires_ns)
        self._started_ns = self._clock.monotonic_ns()
        self._feed.add_segments(segments)
        self._feed.begin_at(self._position_ns)
        self._link.listen(self._on_message)

    async def _restart_job(self, complaint: str) -> None:
        await self._start_job()
        self._queue.put(ViewNote(code="restarted", message=f"The view was restarted: {complaint}.", request_id=0))
        if self._is_stopping:
            self._send(StopView())
        elif self._wish is not None:  # unanswered
            await self.seek(self._wish.utc_ns, self._wish.request_id)

    async def _run(self) -> None:
        """Serve job after job until one ends well, the deadline passes or too many have died."""
        restarts = 0
        frames_shown = 0
        complaint = ""
        try:
            while True:
                if self._link is not None:
                    frames_shown = await self._serve_job()
                    complaint = "the view job died" if self._ended is None else self._ended.error
                    if self._clock.monotonic_ns() - self._started_ns >= HEALTHY_NS:
                        restarts = 0
                is_over = self._clock.now_ns() >= self._deadline_ns
                if self._is_stopping or is_over or not complaint or restarts >= MAX_RESTARTS:
                    break
                restarts += 1
                structlog.get_logger().warning(
                    "view job is replaced", session_id=self.order.session_id, reason=complaint, restarts=restarts
                )
                await asyncio.sleep(RESTART_PAUSES_S[restarts - 1])
                try:
                    await self._restart_job(complaint)
                except Unavailable as error:  # a warden that restarts too is worth waiting for
                    complaint = str(error)
        except CustodesError as error:
            complaint = str(error)
        finally:
            await self._release()
            error_text = "" if self._is_stopping else complaint
            self._queue.put(ViewEnded(frames_shown=frames_shown, error=error_text))
            self._broker.remove(self)

    async def _serve_job(self) -> int:
        """Until the job has ended; ends its grant. Returns the frames it showed."""
        link = self._link
        assert link is not None
        work = (self._send_forever(link), self._feed_forever(), self._recall_forever())
        tasks = [asyncio.create_task(one) for one in work]
        left_ns = self._deadline_ns - self._clock.now_ns()
        try:
            async with asyncio.timeout(max(left_ns / NS_PER_S, 0) + DEADLINE_GRACE_S):
                await link.closed.wait()
        except TimeoutError:
            link.kill()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return await self._release()

    async def _release(self) -> int:
        """Hang up on the job and end its grant, once. Returns the frames it showed."""
        link, grant, self._link, self._grant = self._link, self._grant, None, None
        frames_shown = self._relayed if self._ended is None else self._ended.frames_shown
        if link is not None:
            await link.channel.close()
        if grant is not None:
            await self._broker.end_grant(grant, frames_shown)
        return frames_shown

    # -- from the job ------------------------------------------------------------------------------------------

    def _on_message(self, message: object) -> None:
        match message:
            case MediaChunk(utc_ns=utc_ns, frames=frames):
                self._position_ns = utc_ns
                self._wish = None
                self._relayed += frames
                self._queue.put(message)
            case StillRendered(request_id=request_id):
                self._relayed += 1
                self._answer(request_id)
                self._queue.put(message)
            case ViewNote(request_id=request_id):
                self._answer(request_id)
                self._queue.put(message)
            case MediaInit():
                self._queue.put(message)
            case ViewEnded():
                self._ended = message
            case _:
                structlog.get_logger().error("job sent an unexpected message", kind=type(message).__name__)

    def _answer(self, request_id: int) -> None:
        if self._wish is not None and self._wish.request_id == request_id:
            self._wish = None

    # -- to the job --------------------------------------------------------------------------------------------

    def _send_masks(self, frames: Sequence[FrameAnalysed]) -> None:
        for first in range(0, len(frames), MASKS_PER_MESSAGE):
            self._send(MaskFacts(frames=tuple(frames[first : first + MASKS_PER_MESSAGE])))

    def _send(self, message: object) -> None:
        """Never waits. When a job does not read, the oldest masks are lost: it then masks the whole picture."""
        self._outgoing.append(message)
        if len(self._outgoing) > MAX_OUTGOING:
            masks = (at for at, waiting in enumerate(self._outgoing) if isinstance(waiting, MaskFacts))
            del self._outgoing[next(masks, 0)]
        self._has_outgoing.set()

    async def _send_forever(self, link: JobLink) -> None:
        with contextlib.suppress(Unavailable):  # a job that is gone is noticed by whoever reads from it
            while True:
                while self._outgoing:
                    await link.channel.send(self._outgoing.popleft())
                self._has_outgoing.clear()
                await self._has_outgoing.wait()

    async def _feed_forever(self) -> None:
        """Playback: masks ahead of the position. Live views are fed by news, stills by each wish."""
        if self.order.kind is not ViewKind.PLAYBACK:
            return
        while True:
            try:
                self._send_masks(await self._feed.advance(self._position_ns))
            except CustodesError as error:
                structlog.get_logger().error("masks cannot be read", error=str(error))
            await asyncio.sleep(FEED_S)

    async def _recall_forever(self) -> None:
        """Playback: what is ahead of the position is brought back before the job comes there."""
        while self.order.kind is ViewKind.PLAYBACK:
            self.add_segments(await self._broker.recall(self.order, self._position_ns, is_ahead=True))
            await asyncio.sleep(FEED_S)
