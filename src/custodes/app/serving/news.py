"""From the server that leads to those that follow: what recorders and analysers said just now (`server-news.sock`).

Nothing here is kept or sent again: what a server misses, the next status says, or the catalog has. A mask that is
missed is a picture that is covered whole, never one that is not (`review`).
"""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

import structlog

from custodes.adapters.ipc.framing import AsyncChannel
from custodes.app.serving.facts import by_camera, checked
from custodes.app.serving.front import Front
from custodes.errors import ProtocolError, Unavailable
from custodes.types.codec import decode
from custodes.types.event import (
    AnalyserStatus,
    CameraStatus,
    FrameAnalysed,
    GateChanged,
    OpenSegment,
    StreamVerified,
)
from custodes.types.media import Segment
from custodes.types.servers import FactsTold, SegmentsTold

MAX_WAITING = 512
"""Messages that a server may be late; some twenty seconds of a busy site. Beyond it the oldest are lost and
counted."""

LOOK_S = 0.2


class NewsDesk:
    """Serves `server-news.sock` at the server that leads."""

    def __init__(self) -> None:
        self._readers: set[asyncio.Queue[FactsTold | SegmentsTold]] = set()
        self.lost = 0

    async def serve_peer(self, channel: AsyncChannel) -> None:
        """One server that follows, until it goes."""
        waiting: asyncio.Queue[FactsTold | SegmentsTold] = asyncio.Queue(MAX_WAITING)
        self._readers.add(waiting)
        gone = asyncio.create_task(channel.receive(), name="news-gone")  # it says nothing
        try:
            while not gone.done():
                next_one = asyncio.create_task(waiting.get(), name="news-next")
                await asyncio.wait({gone, next_one}, return_when=asyncio.FIRST_COMPLETED)
                if next_one.done():
                    await channel.send(next_one.result())
                else:
                    next_one.cancel()
        finally:
            self._readers.discard(waiting)
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError, Unavailable, ProtocolError):
                await gone

    def tell_facts(self, facts: Sequence[bytes]) -> None:
        """Never blocks."""
        if facts:
            self._tell(FactsTold(facts=tuple(facts)))

    def tell_segments(self, segments: Sequence[Segment]) -> None:
        """Never blocks."""
        self._tell(SegmentsTold(segments=tuple(segments)))

    def _tell(self, message: FactsTold | SegmentsTold) -> None:
        for waiting in self._readers:
            if waiting.full():
                waiting.get_nowait()
                self.lost += 1
            waiting.put_nowait(message)


async def follow_news(socket: Path, front: Front) -> None:
    """At a server that follows: take the leader's news for ever, from whichever leads."""
    while True:
        try:
            channel = await AsyncChannel.connect(socket)
            try:
                while (message := await channel.receive()) is not None:
                    _take(message, front)
            finally:
                await channel.close()
        except Unavailable:
            pass  # nobody leads for a moment
        except ProtocolError as error:
            structlog.get_logger().error("news of the server that leads are not understood", error=str(error))
        await asyncio.sleep(LOOK_S)


def _take(message: object, front: Front) -> None:
    match message:
        case SegmentsTold(segments=segments):
            front.views.on_segments(segments)
        case FactsTold(facts=facts):
            taken = [checked(decode(payload)) for payload in facts]
            for fact in taken:
                _take_news(fact, front)
            for camera_id, some in by_camera([one for one in taken if isinstance(one, FrameAnalysed)]).items():
                front.take_frames(camera_id, some)
        case _:
            raise ProtocolError(f"the server that leads sent {type(message).__name__}")


def _take_news(fact: object, front: Front) -> None:
    match fact:
        case CameraStatus():
            front.live.take_camera(fact)
        case AnalyserStatus():
            front.live.take_analyser(fact)
        case StreamVerified():
            front.live.take_verified(fact)
        case GateChanged():
            front.live.take_gate_change(fact)
        case OpenSegment(segment=segment):
            front.take_open_segment(segment)
