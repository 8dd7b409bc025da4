"""What lasts: tampering with one camera, out of the pictures that were looked at anyway and of keyframes as they came.

A replayed recording is told by the bytes: noise never makes the same keyframe twice, let alone several in the same
order. A loop that somebody encoded anew, or of fewer than three GOPs, is not noticed by it.
"""

import hashlib
from collections import deque
from dataclasses import dataclass, field

from custodes.detect.tampering import SceneWatch
from custodes.types.event import Tampering, TamperKind
from custodes.types.media import Frame, Packet
from custodes.units import NS_PER_S, Ns, RunId

LOOK_NS = NS_PER_S
BEGIN_NS = 10 * NS_PER_S
"""It must last so long: somebody who walks past the lens is gone in three seconds."""
BEGIN_LOOKS = 4
"""And be seen so often, since a quiet camera's pictures are seconds apart."""
END_NS = 10 * NS_PER_S
ADOPT_NS = 3600 * NS_PER_S
"""A camera that was turned and stays is at its place from then on. Nothing is ever adopted that shows nothing."""
_PAUSE_NS = 30 * NS_PER_S
"""Evidence on both sides of a longer pause is not one stretch."""
KEYFRAMES = 1024
"""Remembered: half an hour at two seconds a GOP."""
LOOP_KEYFRAMES = 5
"""In a row, equal to a row before."""
_LEAST_LAG = 3
"""An encoder without noise (a drawn picture, a lens cap) may give one keyframe again and again, or two in turns."""


@dataclass(slots=True)
class _Evidence:
    """Of one kind."""

    since_ns: int
    last_ns: int
    looks: int = 1
    detail: str = ""
    is_told: bool = False
    well_since_ns: int | None = None


@dataclass(slots=True)
class _Loop:
    """Keyframes of this camera by their bytes."""

    order: deque[bytes] = field(default_factory=deque)
    place: dict[bytes, int] = field(default_factory=dict)
    count: int = 0
    lag: int = 0
    run: int = 0
    run_ns: int = 0

    def take(self, digest: bytes, utc_ns: int) -> None:
        before = self.place.get(digest)
        lag = self.count - before if before is not None else 0
        if lag and lag == self.lag:
            self.run += 1
        else:
            self.lag, self.run, self.run_ns = lag, int(bool(lag)), utc_ns
        self.place[digest] = self.count
        self.order.append(digest)
        self.count += 1
        if len(self.order) > KEYFRAMES:
            oldest = self.order.popleft()
            if self.place.get(oldest) == self.count - len(self.order) - 1:
                del self.place[oldest]

    @property
    def is_found(self) -> bool:
        return self.lag >= _LEAST_LAG and self.run >= LOOP_KEYFRAMES


class TamperWatch:
    """Of one camera, over its runs. Owned by the thread of its pipeline."""

    def __init__(self, *, watches_replay: bool = True) -> None:
        """`watches_replay`: False for a camera that is a file."""
        self._watches_replay = watches_replay
        self._scene = SceneWatch()
        self._loop = _Loop()
        self._evidence: dict[TamperKind, _Evidence] = {}
        self._run = RunId("")
        self._seq = -1
        self._looked_ns = 0
        self.agreement = 0.0

    @property
    def is_known(self) -> bool:
        """Whether there is a usual picture to compare with."""
        return self._scene.is_known

    def tampering(self) -> tuple[Tampering, ...]:
        """What lasts now."""
        return tuple(
            Tampering(kind=kind, start_ns=Ns(one.since_ns), detail=one.detail)
            for kind, one in self._evidence.items()
            if one.is_told
        )

    def take(self, packet: Packet) -> None:
        """Notice a keyframe; other packets and repeats after a reconnect are nothing."""
        if not packet.is_keyframe or not self._watches_replay:
            return
        if packet.run == self._run and packet.seq <= self._seq:
            return
        self._run, self._seq = packet.run, packet.seq
        self._loop.take(hashlib.blake2b(packet.payload, digest_size=16).digest(), packet.utc_ns)
        if self._loop.is_found:
            detail = (
                f"{self._loop.run} keyframes in a row are, byte for byte, those of {self._loop.lag} keyframes before"
            )
            known = self._evidence.get(TamperKind.REPLAYED)
            self._note(
                TamperKind.REPLAYED, detail, packet.utc_ns, since_ns=known.since_ns if known else self._loop.run_ns
            )
            self._evidence[TamperKind.REPLAYED].is_told = True  # no second sign is needed
        elif not self._loop.run:
            self._note_well({TamperKind.REPLAYED}, packet.utc_ns)

    def look(self, frame: Frame) -> None:
        """Compare one picture, at most one a second."""
        if 0 <= frame.utc_ns - self._looked_ns < LOOK_NS:
            return
        self._looked_ns = frame.utc_ns
        seen = self._scene.look(frame.y, frame.utc_ns)
        self.agreement = seen.agreement
        others = {TamperKind.COVERED, TamperKind.MOVED, TamperKind.DEFOCUSED}
        if seen.kind is not None:
            self._note(seen.kind, seen.detail, frame.utc_ns)
            others.discard(seen.kind)
        self._note_well(others, frame.utc_ns)
        self._adopt(frame.utc_ns)

    def _note(self, kind: TamperKind, detail: str, utc_ns: int, since_ns: int | None = None) -> None:
        known = self._evidence.get(kind)
        if known is None or (not known.is_told and not 0 <= utc_ns - known.last_ns <= _PAUSE_NS):
            known = self._evidence[kind] = _Evidence(utc_ns if since_ns is None else since_ns, utc_ns)
        else:
            known.looks += 1
        known.last_ns, known.well_since_ns = utc_ns, None
        if not known.is_told:
            known.detail = detail
            known.is_told = known.looks >= BEGIN_LOOKS and utc_ns - known.since_ns >= BEGIN_NS

    def _note_well(self, kinds: set[TamperKind], utc_ns: int) -> None:
        """These are not to be seen; what was told ends when that lasts."""
        for kind in kinds & self._evidence.keys():
            known = self._evidence[kind]
            if known.well_since_ns is None:
                known.well_since_ns = utc_ns
            if not known.is_told or not 0 <= utc_ns - known.well_since_ns < END_NS:
                del self._evidence[kind]

    def _adopt(self, utc_ns: int) -> None:
        for kind in (TamperKind.MOVED, TamperKind.DEFOCUSED):
            known = self._evidence.get(kind)
            if known is not None and known.is_told and utc_ns - known.since_ns >= ADOPT_NS:
                del self._evidence[kind]
                self._scene.forget()
