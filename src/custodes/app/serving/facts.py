"""The facts socket: decode, hand live news on at once, store the rest, acknowledge after the commit."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from custodes.adapters.ipc.framing import AsyncChannel
from custodes.app.serving.live_state import ServerLiveState
from custodes.errors import ProtocolError, ResourceExhausted, Unavailable
from custodes.ports.catalog_async import AsyncCatalog
from custodes.types.codec import decode
from custodes.types.event import (
    AnalyserStatus,
    CameraStatus,
    DeviceWord,
    FrameAnalysed,
    GateChanged,
    LineCrossed,
    OpenSegment,
    StreamVerified,
    TamperKind,
    TrackEnded,
)
from custodes.types.media import Segment
from custodes.types.message import FactBatch, FactsStored
from custodes.types.stream import is_second
from custodes.units import CameraId, SegmentId

LINGER_S = 0.05
"""How long facts wait for others to share a commit: at most 20 commits a second, and a live mask does not wait."""

GROW_S = 1.0
"""How often the lengths of open segments are written."""

RETRY_S = 1.0
MAX_FACTS = 512
MAX_WORDS = 500
_INT64 = 2**63


class AnalysisStore:
    """Commits analysed frames and tracks of all senders together."""

    def __init__(self, catalog: AsyncCatalog) -> None:
        self._catalog = catalog
        self._frames: list[FrameAnalysed] = []
        self._ended: list[TrackEnded] = []
        self._crossed: list[LineCrossed] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._has_news = asyncio.Event()
        self.commits = 0

    async def put(
        self, frames: Sequence[FrameAnalysed], ended: Sequence[TrackEnded], crossed: Sequence[LineCrossed] = ()
    ) -> None:
        """Returns after the commit."""
        if not frames and not ended and not crossed:
            return
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._frames += frames
        self._ended += ended
        self._crossed += crossed
        self._waiting.append(committed)
        self._has_news.set()
        await committed

    async def run(self) -> None:
        """Commit for ever. A full or locked disk is waited out; senders keep what is not acknowledged."""
        while True:
            await self._has_news.wait()
            await asyncio.sleep(LINGER_S)
            self._has_news.clear()
            frames, ended, crossed, waiting = self._frames, self._ended, self._crossed, self._waiting
            self._frames, self._ended, self._crossed, self._waiting = [], [], [], []
            await self._commit(frames, ended, crossed)
            for committed in waiting:
                if not committed.done():
                    committed.set_result(None)

    async def _commit(self, frames: list[FrameAnalysed], ended: list[TrackEnded], crossed: list[LineCrossed]) -> None:
        while True:
            try:
                await self._catalog.put_analysis(frames, ended)
                if crossed:
                    await self._catalog.put_crossings(crossed)
            except (ResourceExhausted, Unavailable) as error:
                structlog.get_logger().error("facts cannot be stored", error=str(error), frames=len(frames))
                await asyncio.sleep(RETRY_S)
            else:
                self.commits += 1
                return


class FactsService:
    """Serves `server-facts.sock`."""

    def __init__(
        self,
        *,
        catalog: AsyncCatalog,
        live: ServerLiveState,
        on_frames: Callable[[CameraId, Sequence[FrameAnalysed]], None],
        on_segment: Callable[[Segment], None],
        on_verified: Callable[[StreamVerified], None] = lambda fact: None,
        on_status: Callable[[CameraStatus], None] = lambda status: None,
        on_analyser: Callable[[AnalyserStatus], None] = lambda status: None,
        is_owner: Callable[[str, CameraId, int], bool] = lambda recorder, stream, epoch: True,
        on_news: Callable[[Sequence[bytes]], None] = lambda facts: None,
        on_ended: Callable[[Sequence[TrackEnded]], None] = lambda ended: None,
    ) -> None:
        """`is_owner`: whether a recorder's news of a stream, written under an epoch (0: not said), are its to tell.
        `on_news`: checked facts that are of now, as they came.

        The callbacks are called on the loop, before anything is stored; they must not block."""
        self._catalog = catalog
        self._live = live
        self._on_frames = on_frames
        self._on_segment = on_segment
        self._on_verified = on_verified
        self._on_status = on_status
        self._on_analyser = on_analyser
        self._is_owner = is_owner
        self._on_news = on_news
        self._on_ended = on_ended
        self._growing: dict[SegmentId, Segment] = {}
        self.store = AnalysisStore(catalog)
        self.refused = 0
        self.late = 0

    async def serve_peer(self, channel: AsyncChannel) -> None:
        """One sender, until it goes."""
        while (batch := await channel.receive()) is not None:
            if not isinstance(batch, FactBatch) or len(batch.facts) > MAX_FACTS:
                raise ProtocolError(f"the facts socket takes FactBatch of at most {MAX_FACTS}")
            await self._take(batch)
            await channel.send(FactsStored(batch=batch.batch))

    async def grow_forever(self) -> None:
        """Write the newest lengths of open segments now and then; losing some loses nothing (the journal has them)."""
        while True:
            await asyncio.sleep(GROW_S)
            growing, self._growing = list(self._growing.values()), {}
            if growing:
                try:
                    await self._catalog.grow_segments(growing)
                except (ResourceExhausted, Unavailable) as error:
                    structlog.get_logger().warning("segment lengths cannot be stored", error=str(error))

    async def _take(self, batch: FactBatch) -> None:
        frames: list[FrameAnalysed] = []
        ended: list[TrackEnded] = []
        crossed: list[LineCrossed] = []
        news: list[bytes] = []
        for payload in batch.facts:
            try:
                fact = checked(decode(payload))
            except ProtocolError as error:
                # Sent again it would be as wrong, and would block what is behind it.
                self.refused += 1
                structlog.get_logger().error("fact refused", sender=batch.sender, error=str(error))
                continue
            match fact:
                case FrameAnalysed():
                    frames.append(fact)
                    news.append(payload)
                case TrackEnded(tracklet=tracklet) if is_second(tracklet.camera_id):
                    continue  # it would be counted twice; a second stream is analysed for its masks
                case LineCrossed(camera_id=camera_id) | GateChanged(camera_id=camera_id) if is_second(camera_id):
                    continue
                case TrackEnded():
                    ended.append(fact)
                case LineCrossed():
                    crossed.append(fact)
                case CameraStatus(camera_id=camera_id) if not self._is_owner(batch.sender, camera_id, 0):
                    self.late += 1  # of a recorder whose camera is another's by now
                case OpenSegment(segment=segment) if not self._is_owner(
                    batch.sender, segment.header.camera_id, segment.lease_epoch
                ):
                    self.late += 1  # what it wrote is in its journal
                case _:
                    self._take_news(fact)
                    news.append(payload)
        self._on_news(news)
        for camera_id, some in by_camera(frames).items():
            self._on_frames(camera_id, some)
        self._on_ended(ended)
        await self.store.put(frames, ended, crossed)

    def _take_news(self, fact: object) -> None:
        """What is of now, and never stored as it came."""
        match fact:
            case CameraStatus():
                self._live.take_camera(fact)
                self._on_status(fact)
            case AnalyserStatus():
                self._live.take_analyser(fact)
                self._on_analyser(fact)
            case StreamVerified():
                self._live.take_verified(fact)
                self._on_verified(fact)
            case GateChanged():
                self._note_gate_change(fact)
            case OpenSegment(segment=segment):
                self._growing[segment.header.segment_id] = segment
                self._on_segment(segment)

    def _note_gate_change(self, fact: GateChanged) -> None:
        if self._live.take_gate_change(fact):
            structlog.get_logger().info(
                "activity gate",
                camera_id=fact.camera_id,
                mode=fact.mode.value,
                mode_before=fact.mode_before.value,
                reason=fact.reason,
                utc_ns=fact.utc_ns,
            )


def by_camera(frames: Sequence[FrameAnalysed]) -> dict[CameraId, list[FrameAnalysed]]:
    """In their order."""
    found: dict[CameraId, list[FrameAnalysed]] = {}
    for frame in frames:
        found.setdefault(frame.frame.camera_id, []).append(frame)
    return found


def checked(fact: object) -> object:
    """The same fact, if the catalog can keep it. Raises: ProtocolError."""
    match fact:
        case FrameAnalysed(frame=frame, valid_from_ns=valid_from_ns, quiet_from_ns=quiet_from_ns):
            count = len(frame.track_ids)
            columns = (frame.track_ids, frame.class_ids, frame.scores, frame.is_measured)
            if any(column.shape != (count,) for column in columns) or frame.boxes_norm.shape != (count, 4):
                raise ProtocolError(f"columns of frame {frame.seq} of {frame.camera_id} have unequal lengths")
            _check_numbers(frame.seq, frame.utc_ns, valid_from_ns, quiet_from_ns)
        case TrackEnded(tracklet=tracklet):
            _check_numbers(tracklet.track_id, tracklet.start_ns, tracklet.end_ns, tracklet.frames)
        case LineCrossed(track_id=track_id, utc_ns=utc_ns):
            _check_numbers(track_id, utc_ns)
        case OpenSegment(segment=segment):
            _check_numbers(segment.header.start_ns, segment.end_ns, segment.bytes_on_disk, segment.fragments)
        case StreamVerified(start_ns=start_ns, end_ns=end_ns, detail=detail, vendor=vendor, signer=signer):
            _check_numbers(start_ns, end_ns)
            if max(len(detail), len(vendor), len(signer)) > MAX_WORDS:
                raise ProtocolError(f"a word on {fact.camera_id}'s signatures of more than {MAX_WORDS} characters")
        case GateChanged(utc_ns=utc_ns):
            _check_numbers(utc_ns)
        case AnalyserStatus(tampering=tampering):
            _check_numbers(*(one.start_ns for one in tampering))
            if len(tampering) > len(TamperKind) or any(len(one.detail) > MAX_WORDS for one in tampering):
                raise ProtocolError(f"more said of tampering with {fact.camera_id} than there is to say")
        case CameraStatus():
            _check_device(fact)
        case _:
            raise ProtocolError(f"a {type(fact).__name__} is no fact")
    return fact


def _check_device(status: CameraStatus) -> None:
    said = status.device_says
    _check_numbers(*(one.start_ns for one in said))
    words = (status.device_events, *(one.detail for one in said))
    if len(said) > len(DeviceWord) or any(len(one) > MAX_WORDS for one in words):
        raise ProtocolError(f"more said by the device {status.camera_id} than there is to say")


def _check_numbers(*numbers: int) -> None:
    if any(not -_INT64 <= number < _INT64 for number in numbers):
        raise ProtocolError("a number beyond 64 bits")
