"""Facts of recordings that are analysed again, cut into stretches that can be stored one by one.

The pipeline is the live one and runs through; only its facts are sorted by time. A stretch is complete when nothing
that is still to come can tell of it: the gate holds packets back for 12 s at most, the decoder some pictures.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from custodes.errors import DataLoss, ProtocolError
from custodes.pipeline.camera import CameraFact, CameraPipeline
from custodes.types.codec import decode, encode
from custodes.types.event import FrameAnalysed, LineCrossed, TrackEnded
from custodes.types.media import Packet, StreamInfo
from custodes.types.message import StreamClosed, StreamOpened
from custodes.units import NS_PER_S, Ns, RunId

STRETCH_NS = 120 * NS_PER_S
"""Two minutes at five looks a second and some ten tracks are a megabyte and one transaction of some 50 ms."""

SETTLE_NS = 20 * NS_PER_S
GAP_NS = NS_PER_S
"""What lies farther apart was not recorded in between, and is left as it is."""

_STATE = msgspec.msgpack.Decoder(tuple[bytes, str | None, list[bytes], list[tuple[int, int]]])

StoredFact = FrameAnalysed | TrackEnded | LineCrossed


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """[start, end) is analysed; `facts` are those of it, and tracks that began before it and ended since."""

    start_ns: Ns
    end_ns: Ns
    facts: tuple[StoredFact, ...]


def over_ns(fact: StoredFact) -> Ns:
    """When what a fact tells was over: it is told with the stretch that this lies in."""
    match fact:
        case FrameAnalysed(frame=frame):
            return frame.utc_ns
        case TrackEnded(tracklet=tracklet):
            return tracklet.end_ns
        case LineCrossed(utc_ns=utc_ns):
            return utc_ns


class Stretches:
    """GOPs in, stretches out. Owned by one thread."""

    def __init__(self, pipeline: CameraPipeline, *, start_ns: Ns, from_ns: Ns, until_ns: Ns | None = None) -> None:
        """`start_ns`: tracks that began before it are another analysis's. `from_ns`: what is over before it was told
        when this back-fill was begun, and warms the pipeline up. `until_ns`: what is over then or later is told by
        somebody else, who begins there; None for nobody."""
        self._start_ns = start_ns
        self._pipeline = pipeline
        self._from_ns = from_ns
        self._until_ns = until_ns
        self._run: RunId | None = None
        self._waiting: list[StoredFact] = []
        self._begun: list[tuple[Ns, Ns]] = []
        """Stretches of recording that were fed and not told, by time; the last one grows."""

    def add(self, info: StreamInfo, packets: Sequence[Packet], *, start_ns: Ns, end_ns: Ns) -> None:
        """The next GOP."""
        if info.run != self._run:
            self._close()
            self._run = info.run
            self._take(self._pipeline.process(StreamOpened(info=info)))
        self._grow(start_ns, end_ns)
        for packet in packets:
            self._take(self._pipeline.process(packet))

    def skip(self, start_ns: Ns, end_ns: Ns) -> None:
        """The next GOP cannot be read: nobody vouches for it."""
        self._pipeline.shed(1)
        self._grow(start_ns, end_ns)

    def ready(self) -> Iterator[Stretch]:
        """Those of which nothing more will come."""
        while len(self._begun) > 1 and self._begun[-1][1] - self._begun[0][1] >= SETTLE_NS:
            yield self._tell(*self._begun.pop(0))

    def finish(self) -> Iterator[Stretch]:
        """The recording is over: all that is left."""
        self._close()
        self._take(self._pipeline.flush())
        while len(self._begun) > 1:
            yield self._tell(*self._begun.pop(0))
        if self._begun:
            yield Stretch(start_ns=self._begun[0][0], end_ns=self._begun[0][1], facts=tuple(self._waiting))
            self._begun, self._waiting = [], []

    def _grow(self, start_ns: Ns, end_ns: Ns) -> None:
        start_ns = max(start_ns, self._from_ns)
        if self._until_ns is not None:
            end_ns = min(end_ns, self._until_ns)
        if end_ns <= start_ns:
            return
        last = self._begun[-1] if self._begun else None
        if last is None or not last[1] - GAP_NS <= start_ns <= last[1] + GAP_NS:
            self._begun.append((start_ns, end_ns))
        elif end_ns - last[0] > STRETCH_NS:
            # What is cut at a GOP's beginning meets: pictures between two fragments belong to the former.
            self._begun[-1] = (last[0], start_ns)
            self._begun.append((start_ns, end_ns))
        else:
            self._begun[-1] = (last[0], max(last[1], end_ns))

    def _close(self) -> None:
        if self._run is not None:
            self._take(self._pipeline.process(StreamClosed(camera_id=self._pipeline.camera_id, run=self._run)))
            self._run = None

    def _take(self, facts: Sequence[CameraFact]) -> None:
        self._waiting += [
            fact
            for fact in facts
            if isinstance(fact, FrameAnalysed | TrackEnded | LineCrossed) and self._is_told(fact)
        ]

    def _is_told(self, fact: StoredFact) -> bool:
        if isinstance(fact, TrackEnded) and fact.tracklet.start_ns < self._start_ns:
            return False
        if self._until_ns is not None and over_ns(fact) >= self._until_ns:
            return False
        return over_ns(fact) >= self._from_ns

    def snapshot(self) -> bytes:
        """The pipeline's, and what is not told yet."""
        waiting = [encode(fact) for fact in self._waiting]
        return msgspec.msgpack.encode((self._pipeline.snapshot(), self._run, waiting, self._begun))

    def restore(self, state: bytes) -> None:
        """Go on as whoever wrote `state`. Raises: DataLoss."""
        try:
            pipeline, run, waiting, begun = _STATE.decode(state)
            facts = [decode(one) for one in waiting]
        except (msgspec.MsgspecError, ProtocolError) as error:
            raise DataLoss(f"the state of a back-fill's piece cannot be read: {error}") from error
        self._pipeline.restore(pipeline)
        self._run = None if run is None else RunId(run)
        self._waiting = [fact for fact in facts if isinstance(fact, FrameAnalysed | TrackEnded | LineCrossed)]
        self._begun = [(Ns(start_ns), Ns(end_ns)) for start_ns, end_ns in begun]

    def _tell(self, start_ns: Ns, end_ns: Ns) -> Stretch:
        facts = tuple(fact for fact in self._waiting if over_ns(fact) < end_ns)
        self._waiting = [fact for fact in self._waiting if over_ns(fact) >= end_ns]
        return Stretch(start_ns=start_ns, end_ns=end_ns, facts=facts)
