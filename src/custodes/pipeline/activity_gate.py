"""Which packets of one camera are decoded: around activity, a keyframe every few seconds, and now and then at random.

The gate measures itself: quiet GOPs drawn at random are decoded all the same, and so is everything while it is not
trusted. When it is found to miss motion, pixels decide again, and when those miss people, every frame is looked at;
each way back has to be earned. Pure: what was drawn and decided depends on packets and looks alone, so a recording
replayed gives the same decisions.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

import msgspec
import numpy as np
import numpy.typing as npt

from custodes.detect.change import ChangeWatch
from custodes.detect.packet_activity import PacketActivity
from custodes.errors import DataLoss
from custodes.pipeline.trust import Trust
from custodes.types.event import GateMode
from custodes.types.media import Packet, StreamInfo
from custodes.types.vision import TrackedFrame
from custodes.units import NS_PER_MS, NS_PER_S, CameraId, RunId

HOLD_NS = NS_PER_S
"""Decoding goes on so long after the last sign of activity."""

FIND_HOLD_NS = 450 * NS_PER_MS
"""And so long after a keyframe that differs from the one before: two more looks tell whether anything moves."""

KEYFRAME_EMPTY_NS = 4 * NS_PER_S
KEYFRAME_OCCUPIED_NS = 2 * NS_PER_S
KEYFRAME_UNPROVEN_NS = NS_PER_S
"""A quiet camera's keyframes are looked at this often: whoever came unseen and stays is seen then, and a view has a
picture to compare the others with (`review.likeness`). Until motion has come and packets told of it
(`Trust.is_proven`), every keyframe a second apart is looked at: quiet packets alone do not prove that motion would
show in them."""

QUIET_CHECK_NS = 120 * NS_PER_S
"""How often the detector is called on a camera where nobody was for a while and pixels do not change either: what it
said of the same picture holds."""

GOP_OCCUPIED_NS = 2050 * NS_PER_MS
"""With longer GOPs keyframes come too seldom to keep a track (`TrackerConfig.lost_s`), so while somebody stands there
everything is decoded."""

USED_NS = 60 * NS_PER_S
"""So long after somebody was there keyframes are looked at as if they still were, by the detector, too."""

AUDIT_SHARE_MIN = 0.02
AUDIT_SHARE_MAX = 0.25
"""Of the quiet GOPs, drawn at random; one in n after n trials, so that a new camera is tried harder."""

_EPISODE_PAUSE_NS = 2 * NS_PER_S
_TOLD_NS = NS_PER_S
"""Packets may tell of motion so long after pixels do: decoding then begins at the keyframe before."""

_UNIT_NS = NS_PER_S
_LONG_UNIT_NS = 2 * NS_PER_S
"""GOPs are judged one by one, short ones together and long ones in parts of this length."""

_CONTIGUOUS_NS = NS_PER_S

LEARNT_MAX_NS = 24 * 3600 * NS_PER_S
LEARNT_AHEAD_NS = 60 * NS_PER_S
"""What was learnt longer ago, or later than now (a clock was set), is learnt anew: cameras are turned and cleaned."""

Draw = Callable[[RunId, int], float]
"""(run, packet number) → number in [0, 1): which GOPs are tried. Always the same, or replay decides otherwise."""


def draw_by_hash(camera_id: CameraId, seed: int = 0) -> Draw:
    """Numbers that look random and are the same for the same packet: what is tried live is tried in replay."""

    def draw(run: RunId, seq: int) -> float:
        digest = hashlib.blake2b(f"{seed}|{camera_id}|{run}|{seq}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64

    return draw


class Order(Enum):
    """What to do with a packet."""

    DECODE = auto()
    """With all that was held since the last keyframe."""
    LOOK = auto()
    """A keyframe, by itself."""
    HOLD = auto()
    """Keep it until the next keyframe: it may be needed after all."""


_DECODE, _LOOK, _HOLD = Order.DECODE, Order.LOOK, Order.HOLD
_PACKETS = GateMode.PACKETS
"""By name: Python 3.11 looks up a member of an enum by calling Python code, an eighth of a decision's time."""


@dataclass(slots=True)
class _Unit:
    """A GOP, or several short ones: what was predicted of it and what was seen."""

    start_ns: int
    is_predicted: bool
    is_decoded: bool = True
    is_audit: bool = False
    is_active: bool = False


class ActivityGate:
    """Of one camera, over its runs. Not thread-safe."""

    def __init__(self, info: StreamInfo, draw: Draw) -> None:
        self._info = info
        self._draw = draw
        self._signal = PacketActivity(info)
        self._watch = ChangeWatch()
        self._unit: _Unit | None = None
        self._doubtful: _Unit | None = None
        """A unit with unpredicted motion: caught all the same when the next one is predicted."""
        self._until_ns = 0
        self._signal_until_ns = 0
        self._looked_ns: int | None = None
        self._is_occupied = False
        self._occupied_ns: int | None = None
        self._keyframe_ns = self._gop_ns = 0
        self._changed_ns: int | None = None
        self._active_ns: int | None = None
        self._untold_ns: int | None = None
        """When motion began that packets have not told of yet."""
        self.trust = Trust()
        self.is_watched = False
        """Somebody watches live: everything is decoded, and masks are as good as they get."""

    def fits(self, info: StreamInfo) -> bool:
        """Whether what was learnt holds for such a stream, too."""
        mine = (self._info.codec, self._info.width_px, self._info.height_px)
        return mine == (info.codec, info.width_px, info.height_px)

    def begin_run(self, info: StreamInfo) -> None:
        """The camera came back, with the same codec and size (`fits`)."""
        self._info = info
        self._signal.begin_run(info)
        self._watch = ChangeWatch()
        self._unit = self._doubtful = None
        self._until_ns = self._signal_until_ns = 0
        self._looked_ns = self._changed_ns = self._active_ns = self._untold_ns = self._occupied_ns = None
        self._is_occupied, self._keyframe_ns, self._gop_ns = False, 0, 0

    def learnt(self, now_ns: int) -> bytes:
        """What another process needs not learn anew: what quiet weighs, and how far that is to be trusted.

        No pixel is in it. `now_ns`: the camera's time.
        """
        stream = (self._info.codec, self._info.width_px, self._info.height_px)
        return msgspec.msgpack.encode((*stream, now_ns, self.trust.snapshot(), self._signal.snapshot()))

    def take_learnt(self, state: bytes, now_ns: int) -> None:
        """Begin with what `learnt` gave, before the first packet; of another stream or day nothing is taken.

        Raises: DataLoss; the gate is to be thrown away then.
        """
        try:
            codec, width_px, height_px, learnt_ns, trust, signal = _LEARNT.decode(state)
        except msgspec.MsgspecError as error:
            raise DataLoss(f"what a gate learnt cannot be read: {error}") from error
        age_ns = now_ns - learnt_ns
        if (codec, width_px, height_px) != (self._info.codec, self._info.width_px, self._info.height_px):
            return
        if not -LEARNT_AHEAD_NS <= age_ns <= LEARNT_MAX_NS:
            return
        self.trust.restore(trust)
        self._signal.restore(signal)
        self._signal.begin_run(self._info)

    @property
    def check_ns(self) -> int | None:
        """How old the detector's last word may be on a quiet frame; None for the usual."""
        if self.trust.mode is GateMode.EVERY_FRAME:
            return 0
        return QUIET_CHECK_NS if self.trust.mode is _PACKETS and not (self.is_watched or self._is_used) else None

    def may_skip(self, fps: float) -> bool:
        """Whether the packet just taken need not be decoded for `fps` looks per second."""
        signal = self._signal
        return not signal.is_reference and not self.is_watched and signal.reference_fps >= fps

    def take(self, packet: Packet) -> Order:
        """Decide about the next packet."""
        utc_ns = packet.utc_ns
        is_active = self._signal.take(packet)
        if is_active or self._untold_ns is not None:
            self._take_sign(utc_ns, is_active)
        if packet.is_keyframe:
            self._keyframe_ns, self._gop_ns = utc_ns, utc_ns - self._keyframe_ns
        if packet.is_keyframe or (self._unit is not None and utc_ns - self._unit.start_ns >= _LONG_UNIT_NS):
            self._turn_unit(packet)
        unit = self._unit
        if unit is not None and is_active:
            unit.is_predicted = True
        if self.trust.mode is not _PACKETS or self.is_watched or is_active or unit is None or unit.is_audit:
            return _DECODE
        if -HOLD_NS <= utc_ns - self._until_ns <= 0 or (self._is_occupied and self._gop_ns > GOP_OCCUPIED_NS):
            return _DECODE
        if packet.is_keyframe and self._is_look_due(utc_ns):
            return _LOOK
        unit.is_decoded = False
        return _HOLD

    def _take_sign(self, utc_ns: int, is_active: bool) -> None:
        # Without knowing what quiet looks like everything is decoded, but nothing was told.
        is_told = is_active and self._signal.is_known
        if is_active:
            self._until_ns = utc_ns + HOLD_NS
        if is_told:
            self._signal_until_ns = utc_ns + HOLD_NS
        if self._untold_ns is not None and (is_told or not 0 <= utc_ns - self._untold_ns <= _TOLD_NS):
            self._untold_ns = None
            self.trust.episodes.put(is_missed=not is_told)
            self._choose_mode(utc_ns)

    def looked(self, luma: npt.NDArray[np.uint8], tracked: TrackedFrame, *, found_still: bool | None) -> bool:
        """A frame was looked at. Returns whether nothing changed since the look before.

        Args: found_still: what the detector found in a picture without motion or tracks; None when it was not asked.
        """
        utc_ns = tracked.utc_ns
        pause_ns = utc_ns - self._looked_ns if self._looked_ns is not None else None
        change = self._watch.look(luma, tracked)
        self._looked_ns = utc_ns
        is_contiguous = pause_ns is not None and 0 < pause_ns <= _CONTIGUOUS_NS
        if change.is_active:
            self._saw_change(utc_ns, is_contiguous=is_contiguous)
        if not is_contiguous and change.has_lost_sight:
            # One look in two seconds missed them: look closer before they count as gone.
            self._until_ns = max(self._until_ns, utc_ns + HOLD_NS)
        self._is_occupied = change.is_occupied
        if change.is_occupied:
            self._occupied_ns = utc_ns
        if is_contiguous:
            self._signal.learn(is_active=change.is_active, is_occupied=change.is_occupied, utc_ns=utc_ns)
        if found_still is not None:
            self.trust.take_pixels(found_still, tracked.boxes_norm)
            self._choose_mode(utc_ns)
        return not change.is_active and not change.has_lost_sight

    # -- what is decoded -----------------------------------------------------------------------------------

    @property
    def _is_used(self) -> bool:
        """Whether anybody was there lately: who is not seen any more may still stand there."""
        if self._occupied_ns is None or self._looked_ns is None:
            return False
        return 0 <= self._looked_ns - self._occupied_ns <= USED_NS

    def _is_look_due(self, utc_ns: int) -> bool:
        cadence_ns = KEYFRAME_OCCUPIED_NS if self._is_used else KEYFRAME_EMPTY_NS
        if not self.trust.is_proven:
            cadence_ns = KEYFRAME_UNPROVEN_NS
        # A tenth early: keyframes every 2 s come at 1.999 s, too.
        return self._looked_ns is None or not 0 <= utc_ns - self._looked_ns < cadence_ns * 9 // 10

    def _turn_unit(self, packet: Packet) -> None:
        """Judge the GOP before, or its part; at a keyframe draw whether this one is tried."""
        utc_ns, before = packet.utc_ns, self._unit
        if before is not None and 0 <= utc_ns - before.start_ns < _UNIT_NS:
            return
        if before is not None:
            self._judge(before, utc_ns)
        is_held_open = -HOLD_NS <= utc_ns - self._signal_until_ns <= 0
        self._unit = unit = _Unit(start_ns=utc_ns, is_predicted=is_held_open or not self._signal.is_known)
        if not packet.is_keyframe:
            unit.is_audit = before is not None and before.is_audit
            return
        share = min(AUDIT_SHARE_MAX, max(AUDIT_SHARE_MIN, 1 / max(self.trust.audits.trials, 1)))
        unit.is_audit = self._draw(packet.run, packet.seq) < share

    # -- whether that can be relied on ---------------------------------------------------------------------

    def _judge(self, unit: _Unit, now_ns: int) -> None:
        is_news = self.trust.mode is not _PACKETS
        if self._doubtful is not None:
            self.trust.audits.put(is_missed=not unit.is_predicted)
            self._doubtful, is_news = None, True
        if unit.is_decoded and not unit.is_predicted:
            if unit.is_active:
                self._doubtful = unit
            else:
                self.trust.audits.put(is_missed=False)
                is_news = True
        if is_news:  # a quiet GOP that was not decoded is no evidence, and they are most of all GOPs
            self._choose_mode(now_ns)

    def _saw_change(self, utc_ns: int, *, is_contiguous: bool) -> None:
        """Decode on. Two changes in a row are motion: one alone is a lamp, a jump of exposure, a thing put down."""
        hold_ns = HOLD_NS if is_contiguous else FIND_HOLD_NS
        self._until_ns = max(self._until_ns, utc_ns + hold_ns)
        if utc_ns <= self._signal_until_ns:
            self._signal_until_ns = max(self._signal_until_ns, utc_ns + HOLD_NS)
        before_ns, self._changed_ns = self._changed_ns, utc_ns
        if is_contiguous and before_ns is not None and 0 < utc_ns - before_ns <= _CONTIGUOUS_NS:
            self._saw_motion(utc_ns)

    def _saw_motion(self, utc_ns: int) -> None:
        """When it is a beginning, ask whether packets told of it."""
        if self._unit is not None:
            self._unit.is_active = True
        is_beginning = self._active_ns is None or not 0 <= utc_ns - self._active_ns <= _EPISODE_PAUSE_NS
        self._active_ns = utc_ns
        if not is_beginning or not self._signal.is_known:
            return
        if utc_ns <= self._signal_until_ns:
            self.trust.episodes.put(is_missed=False)
        else:
            self._untold_ns = utc_ns

    def _choose_mode(self, now_ns: int) -> None:
        if self.trust.choose(self._info, now_ns):
            self._doubtful = None

    # -- state -----------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Everything that decides about packets to come."""
        times = (self._until_ns, self._signal_until_ns, self._looked_ns, self._keyframe_ns, self._gop_ns)
        units = [
            None
            if unit is None
            else (unit.start_ns, unit.is_predicted, unit.is_decoded, unit.is_audit, unit.is_active)
            for unit in (self._unit, self._doubtful)
        ]
        motion = (self._changed_ns, self._active_ns, self._untold_ns, self._occupied_ns)
        flags = (self._is_occupied, self.is_watched)
        parts = (self.trust.snapshot(), self._signal.snapshot(), self._watch.snapshot())
        return msgspec.msgpack.encode((times, units, motion, flags, parts))

    def restore(self, state: bytes) -> None:
        """Go on as the one that wrote `state`. Raises: DataLoss."""
        try:
            times, units, motion, flags, parts = _STATE.decode(state)
        except msgspec.MsgspecError as error:
            raise DataLoss(f"gate snapshot cannot be read: {error}") from error
        self._until_ns, self._signal_until_ns, self._looked_ns, self._keyframe_ns, self._gop_ns = times
        self._unit, self._doubtful = (None if unit is None else _Unit(*unit) for unit in units)
        self._changed_ns, self._active_ns, self._untold_ns, self._occupied_ns = motion
        self._is_occupied, self.is_watched = flags
        self.trust.restore(parts[0])
        self._signal.restore(parts[1])
        self._watch.restore(parts[2])


_LEARNT = msgspec.msgpack.Decoder(tuple[str, int, int, int, bytes, bytes])
_UnitState = tuple[int, bool, bool, bool, bool] | None
_STATE = msgspec.msgpack.Decoder(
    tuple[
        tuple[int, int, int | None, int, int],
        tuple[_UnitState, _UnitState],
        tuple[int | None, int | None, int | None, int | None],
        tuple[bool, bool],
        tuple[bytes, bytes, bytes],
    ]
)
