"""The camera's own signatures over recorded video, verified again as it is played or exported.

What the camera signed went into the sealed segments untouched (`media.authenticity` says what is judged, and how). A
jump, a gap or what cannot be read is our doing and not held against the camera.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from custodes.media import nal
from custodes.media.authenticity import SIGNABLE_CODECS, StreamVerifier, Verdict
from custodes.types.media import Authenticity, Packet, StreamInfo
from custodes.units import Ns, RunId

SIGNATURE_SENTENCES: dict[Authenticity, str] = {
    Authenticity.AUTHENTIC: "The camera's signature verifies.",
    Authenticity.MISSING: "The camera's signature verifies, but pictures that it signed are missing.",
    Authenticity.NOT_AUTHENTIC: "This is not the video that the camera signed",
    Authenticity.NOT_SIGNED: "The camera has stopped to sign its video.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedStretch:
    """Recorded video with one answer."""

    state: Authenticity
    start_ns: Ns
    end_ns: Ns
    pictures: int
    missing: int
    wrong: int
    signer: str
    detail: str

    @property
    def sentence(self) -> str:
        """For a viewer."""
        said = SIGNATURE_SENTENCES[self.state]
        return f"{said}: {self.detail}." if self.state is Authenticity.NOT_AUTHENTIC and self.detail else said


class RecordedSignatures:
    """Takes GOPs in the order they are read. Not thread-safe; raises nothing."""

    def __init__(self) -> None:
        self._verifier: StreamVerifier | None = None
        self._run = RunId("")
        self._codec = ""
        self._next_seq = -1
        self._open: SignedStretch | None = None

    def add(self, info: StreamInfo, packets: Sequence[Packet]) -> list[SignedStretch]:
        """One GOP; returns the stretches that it brings to an end."""
        ended: list[SignedStretch] = []
        if info.run != self._run or info.codec != self._codec:
            ended += self.finish()
            self._run, self._codec = info.run, info.codec
            self._verifier = StreamVerifier(info.codec) if info.codec in SIGNABLE_CODECS else None
        if self._verifier is None or not packets:
            return ended
        if packets[0].seq != self._next_seq:
            self._verifier.lost()
        self._next_seq = packets[-1].seq + 1
        for packet in packets:
            units = nal.units_of(packet.payload, info.codec, info.extradata)
            for verdict in self._verifier.add(units, packet.utc_ns):
                ended += self._take(verdict)
        return ended

    @property
    def current(self) -> SignedStretch | None:
        """The answer so far for what was read last; None before there is one."""
        return self._open

    def finish(self) -> list[SignedStretch]:
        """The last stretches; another GOP begins anew."""
        verdicts = self._verifier.finish() if self._verifier is not None else []
        ended = [stretch for verdict in verdicts for stretch in self._take(verdict)]
        last, self._open, self._verifier, self._run, self._next_seq = self._open, None, None, RunId(""), -1
        return [*ended, last] if last is not None else ended

    def _take(self, verdict: Verdict) -> list[SignedStretch]:
        stretch = SignedStretch(
            state=verdict.state,
            start_ns=verdict.start_ns,
            end_ns=verdict.end_ns,
            pictures=verdict.verified,
            missing=verdict.missing,
            wrong=verdict.wrong,
            signer=verdict.signer,
            detail=verdict.detail,
        )
        known = self._open
        if known is None or (known.state, known.signer) != (stretch.state, stretch.signer):
            self._open = stretch
            return [] if known is None else [known]
        self._open = replace(
            known,
            start_ns=min(known.start_ns, stretch.start_ns),
            end_ns=max(known.end_ns, stretch.end_ns),
            pictures=known.pictures + stretch.pictures,
            missing=known.missing + stretch.missing,
            wrong=known.wrong + stretch.wrong,
            detail=known.detail or stretch.detail,
        )
        return []
