"""The cameras' own signatures watched as packets come: a fact when the answer changes, and one a minute.

What follows from an answer (an alarm, a pinned key) is the server's business. Runs in the analyser's intake, before
anything is shed there: recording pays nothing for it.
"""

from custodes.media import nal
from custodes.media.authenticity import SIGNABLE_CODECS, StreamVerifier, Verdict
from custodes.types.event import StreamVerified
from custodes.types.media import Authenticity, Packet, StreamInfo
from custodes.types.message import StreamClosed, StreamOpened
from custodes.units import NS_PER_S, CameraId, Ns

REPEAT_NS = 60 * NS_PER_S
"""An answer that stays the same is said again so often."""


class SignatureWatch:
    """All cameras of one analyser. Used by one thread; never raises for what a camera sent."""

    def __init__(self) -> None:
        self._streams: dict[CameraId, _Watched] = {}

    def take(self, item: StreamOpened | Packet | StreamClosed) -> list[StreamVerified]:
        """The next item of the hub, in its order."""
        if isinstance(item, Packet):
            watched = self._streams.get(item.camera_id)
            return watched.packet(item) if watched is not None else []
        if isinstance(item, StreamClosed):
            gone = self._streams.pop(item.camera_id, None)
            return gone.finish() if gone is not None else []
        info, known = item.info, self._streams.get(item.info.camera_id)
        if known is not None and known.info.run == info.run:
            return []  # the hub was connected to again and repeats itself
        facts = known.finish() if known is not None else []
        self._streams.pop(info.camera_id, None)
        if info.codec in SIGNABLE_CODECS:
            self._streams[info.camera_id] = _Watched(info)
        return facts


class _Watched:
    """One run of one camera."""

    def __init__(self, info: StreamInfo) -> None:
        self.info = info
        self._verifier = StreamVerifier(info.codec)
        self._next_seq: int | None = None
        self._said: tuple[Authenticity, str] | None = None
        self._said_ns = Ns(0)
        self._pictures = 0
        self._start_ns: Ns | None = None

    def packet(self, packet: Packet) -> list[StreamVerified]:
        if self._next_seq is not None and packet.seq < self._next_seq:
            return []
        if self._next_seq is not None and packet.seq > self._next_seq:
            self._verifier.lost()
        self._next_seq = packet.seq + 1
        units = nal.units_of(packet.payload, self.info.codec, self.info.extradata)
        facts = self._say(self._verifier.add(units, packet.utc_ns))
        is_due = packet.utc_ns - self._said_ns >= REPEAT_NS
        if self._verifier.is_dormant and is_due:
            facts.append(self._fact(Authenticity.NOT_SIGNED, packet.utc_ns, packet.utc_ns))
        return facts

    def finish(self) -> list[StreamVerified]:
        return self._say(self._verifier.finish())

    def _say(self, verdicts: list[Verdict]) -> list[StreamVerified]:
        facts: list[StreamVerified] = []
        for verdict in verdicts:
            self._pictures += verdict.verified
            self._start_ns = verdict.start_ns if self._start_ns is None else self._start_ns
            is_news = (verdict.state, verdict.signer) != self._said or verdict.end_ns - self._said_ns >= REPEAT_NS
            if is_news:
                facts.append(self._fact(verdict.state, self._start_ns, verdict.end_ns, verdict))
        return facts

    def _fact(self, state: Authenticity, start_ns: Ns, end_ns: Ns, verdict: Verdict | None = None) -> StreamVerified:
        signer = verdict.signer if verdict is not None else ""
        fact = StreamVerified(
            camera_id=self.info.camera_id,
            run=self.info.run,
            state=state,
            start_ns=start_ns,
            end_ns=end_ns,
            pictures=self._pictures,
            missing=verdict.missing if verdict is not None else 0,
            wrong=verdict.wrong if verdict is not None else 0,
            signer=signer,
            vendor=self._verifier.vendor,
            detail=verdict.detail if verdict is not None else "",
        )
        self._said, self._said_ns, self._pictures, self._start_ns = (state, signer), end_ns, 0, None
        return fact
