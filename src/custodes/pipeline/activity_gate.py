"""Which packets of one camera are decoded: around activity, a keyframe every few seconds, and now and then at random.

The gate measures itself: quiet GOPs drawn at random are decoded all the same, and so is everything while it is not
trusted. When it is found to miss motion, pixels decide again, and when those miss people, every frame is looked at;
each way back has to be earned. Pure: what was drawn and decided depends on packets and looks alone, so a recording
replayed gives the same decisions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

import msgspec
import numpy as np
import numpy.typing as npt

from custodes.detect.change import ChangeWatch
from custodes.detect.packet_activity import PacketActivity
from custodes.errors import DataLoss
from custodes.geometry.boxes import iou_matrix
from custodes.pipeline.reliability import Evidence
from custodes.types.event import GateChanged, GateMode
from custodes.types.media import Packet, StreamInfo
from custodes.types.vision import TrackedFrame
from custodes.units import NS_PER_MS, NS_PER_S, Ns, RunId

HOLD_NS = NS_PER_S
"""Decoding goes on so long after the last sign of activity."""

KEYFRAME_EMPTY_NS = 4 * NS_PER_S
KEYFRAME_OCCUPIED_NS = 2 * NS_PER_S
KEYFRAME_UNPROVEN_NS = NS_PER_S
"""A quiet camera's keyframes are looked at this often: whoever came unseen and stays is seen then, and a view has a
picture to compare the others with (`review.likeness`). Until motion has come `PROOF_EPISODES` times and packets told
of it, every keyframe a second apart is looked at: quiet packets alone do not prove that motion would show in them."""

PROOF_EPISODES = 3
PROOF_AGAIN = 6
"""As many again, once packets were found to say nothing of motion."""

QUIET_CHECK_NS = 30 * NS_PER_S
"""How often the detector is called on a quiet camera whose pixels do not change either."""

GOP_OCCUPIED_NS = 2050 * NS_PER_MS
"""With longer GOPs keyframes come too seldom to keep a track (`TrackerConfig.lost_s`), so while somebody stands there
everything is decoded."""

USED_NS = 60 * NS_PER_S
"""So long after somebody was there keyframes are looked at as if they still were, by the detector, too."""

AUDIT_SHARE_MIN = 0.02
AUDIT_SHARE_MAX = 0.25
"""Of the quiet GOPs, drawn at random; one in n after n trials, so that a new camera is tried harder."""

TRUST_TRIALS = 10
TRUST_TRIALS_MAX = 1800
"""Quiet GOPs that must have been told right before the gate is trusted; doubled each time trust was lost."""

MISS_LIMIT = 0.02
"""Share of quiet GOPs with motion in them, surely above which the gate is not to be relied on."""

SILENT_LIMIT = 0.1
"""Share of beginnings of motion, surely above which packets that do not tell of them are not to be relied on."""

_EPISODE_PAUSE_NS = 2 * NS_PER_S
_TOLD_NS = NS_PER_S
"""Packets may tell of motion so long after pixels do: decoding then begins at the keyframe before."""

PIXEL_MISS_LIMIT = 0.05
PIXEL_TRIALS = 60
_UNIT_NS = NS_PER_S
_LONG_UNIT_NS = 2 * NS_PER_S
"""GOPs are judged one by one, short ones together and long ones in parts of this length."""

_SAME_PLACE_IOU = 0.5
_PLACES_KEPT = 16
_CONTIGUOUS_NS = NS_PER_S

Draw = Callable[[RunId, int], float]
"""(run, packet number) → number in [0, 1): which GOPs are tried. Always the same, or replay decides otherwise."""


class Order(Enum):
    """What to do with a packet."""

    DECODE = auto()
    """With all that was held since the last keyframe."""
    LOOK = auto()
    """A keyframe, by itself."""
    HOLD = auto()
    """Keep it until the next keyframe: it may be needed after all."""


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
        self._active_ns: int | None = None
        self._untold_ns: int | None = None
        """When motion began that packets have not told of yet."""
        self._needed = TRUST_TRIALS
        self._places: list[list[float]] = []
        self._changes: list[GateChanged] = []
        self.mode = GateMode.LEARNING
        self.since_ns = 0
        self.reason = ""
        self.is_watched = False
        """Somebody watches live: everything is decoded, and masks are as good as they get."""
        self.audits = Evidence()
        self.episodes = Evidence()
        """Beginnings of motion, however they were seen; missed are those that packets did not tell of."""
        self.pixels = Evidence()

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
        self._looked_ns = self._active_ns = self._untold_ns = self._occupied_ns = None
        self._is_occupied, self._keyframe_ns, self._gop_ns = False, 0, 0

    @property
    def check_ns(self) -> int | None:
        """How old the detector's last word may be on a quiet frame; None for the usual."""
        if self.mode is GateMode.EVERY_FRAME:
            return 0
        return QUIET_CHECK_NS if self.mode is GateMode.PACKETS and not (self.is_watched or self._is_used) else None

    def may_skip(self, fps: float) -> bool:
        """Whether the packet just taken need not be decoded for `fps` looks per second."""
        signal = self._signal
        return not signal.is_reference and not self.is_watched and signal.reference_fps >= fps

    def take(self, packet: Packet) -> Order:
        """Decide about the next packet."""
        utc_ns = packet.utc_ns
        is_active = self._signal.take(packet)
        # Without knowing what quiet looks like everything is decoded, but nothing was told.
        is_told = is_active and self._signal.is_known
        if is_active:
            self._until_ns = utc_ns + HOLD_NS
        if is_told:
            self._signal_until_ns = utc_ns + HOLD_NS
        if self._untold_ns is not None and (is_told or not 0 <= utc_ns - self._untold_ns <= _TOLD_NS):
            self._untold_ns = None
            self.episodes.put(is_missed=not is_told)
            self._choose_mode(utc_ns)
        if packet.is_keyframe:
            self._keyframe_ns, self._gop_ns = utc_ns, utc_ns - self._keyframe_ns
        if packet.is_keyframe or (self._unit is not None and utc_ns - self._unit.start_ns >= _LONG_UNIT_NS):
            self._turn_unit(packet)
        unit = self._unit
        if unit is not None and is_active:
            unit.is_predicted = True
        if self.mode is not GateMode.PACKETS or self.is_watched or is_active or unit is None or unit.is_audit:
            return Order.DECODE
        if -HOLD_NS <= utc_ns - self._until_ns <= 0 or (self._is_occupied and self._gop_ns > GOP_OCCUPIED_NS):
            return Order.DECODE
        if packet.is_keyframe and self._is_look_due(utc_ns):
            return Order.LOOK
        unit.is_decoded = False
        return Order.HOLD

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
            self._saw_motion(utc_ns, is_first=pause_ns is None)
            if is_contiguous and self._unit is not None:
                self._unit.is_active = True
        if not is_contiguous and change.has_lost_sight:
            # One look in two seconds missed them: look closer before they count as gone.
            self._until_ns = max(self._until_ns, utc_ns + HOLD_NS)
        self._is_occupied = change.is_occupied
        if change.is_occupied:
            self._occupied_ns = utc_ns
        if is_contiguous:
            self._signal.learn(is_active=change.is_active, is_occupied=change.is_occupied, utc_ns=utc_ns)
        if found_still is not None:
            self._judge_pixels(found_still, tracked)
        return not change.is_active and not change.has_lost_sight

    def changes(self) -> list[GateChanged]:
        """What was decided about the gate itself since the last call."""
        changes, self._changes = self._changes, []
        return changes

    # -- what is decoded -----------------------------------------------------------------------------------

    @property
    def _is_used(self) -> bool:
        """Whether anybody was there lately: who is not seen any more may still stand there."""
        if self._occupied_ns is None or self._looked_ns is None:
            return False
        return 0 <= self._looked_ns - self._occupied_ns <= USED_NS

    def _is_look_due(self, utc_ns: int) -> bool:
        cadence_ns = KEYFRAME_OCCUPIED_NS if self._is_used else KEYFRAME_EMPTY_NS
        if not self.episodes.is_good(SILENT_LIMIT, PROOF_EPISODES):
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
        share = min(AUDIT_SHARE_MAX, max(AUDIT_SHARE_MIN, 1 / max(self.audits.trials, 1)))
        unit.is_audit = self._draw(packet.run, packet.seq) < share

    # -- whether that can be relied on ---------------------------------------------------------------------

    def _judge(self, unit: _Unit, now_ns: int) -> None:
        if self._doubtful is not None:
            self.audits.put(is_missed=not unit.is_predicted)
            self._doubtful = None
        if unit.is_decoded and not unit.is_predicted:
            if unit.is_active:
                self._doubtful = unit
            else:
                self.audits.put(is_missed=False)
        self._choose_mode(now_ns)

    def _saw_motion(self, utc_ns: int, *, is_first: bool) -> None:
        """Decode on; when it is a beginning, ask whether packets told of it."""
        self._until_ns = max(self._until_ns, utc_ns + HOLD_NS)
        is_told = utc_ns <= self._signal_until_ns
        if is_told:
            self._signal_until_ns = max(self._signal_until_ns, utc_ns + HOLD_NS)
        is_beginning = self._active_ns is None or not 0 <= utc_ns - self._active_ns <= _EPISODE_PAUSE_NS
        self._active_ns = utc_ns
        if not is_beginning or is_first or not self._signal.is_known:
            return
        if is_told:
            self.episodes.put(is_missed=False)
        else:
            self._untold_ns = utc_ns

    def _judge_pixels(self, found_still: bool, tracked: TrackedFrame) -> None:
        """Somebody in a picture in which no pixel moved; what is found at one place again and again stands there."""
        is_new = False
        if found_still:
            known = np.array(self._places, np.float32).reshape(-1, 4)
            overlap = iou_matrix(tracked.boxes_norm, known).max(axis=1, initial=0)
            new = tracked.boxes_norm[overlap < _SAME_PLACE_IOU]
            self._places = (self._places + new.tolist())[-_PLACES_KEPT:]
            is_new = len(new) > 0
        self.pixels.put(is_missed=is_new)
        self._choose_mode(tracked.utc_ns)

    def _choose_mode(self, now_ns: int) -> None:
        audits, episodes, pixels = self.audits, self.episodes, self.pixels
        if self.mode is GateMode.EVERY_FRAME:
            if pixels.is_good(PIXEL_MISS_LIMIT / 2, PIXEL_TRIALS):
                self._enter(GateMode.PIXELS, now_ns, _words(pixels, "still pictures hid somebody"))
        elif pixels.is_bad(PIXEL_MISS_LIMIT):
            self._lose(GateMode.EVERY_FRAME, now_ns, _words(pixels, "still pictures hid somebody"))
        elif self.mode is GateMode.PACKETS:
            if audits.is_bad(MISS_LIMIT):
                self._lose(GateMode.PIXELS, now_ns, _words(audits, "quiet GOPs held motion"))
            elif episodes.is_bad(SILENT_LIMIT):
                self._lose(GateMode.PIXELS, now_ns, _words(episodes, "motions did not show in packets"))
        elif self._is_earned:
            self._enter(GateMode.PACKETS, now_ns, _words(audits, "quiet GOPs held motion"))
        elif audits.is_bad(MISS_LIMIT):
            self._lose(GateMode.PIXELS, now_ns, _words(audits, "quiet GOPs held motion"))

    @property
    def _is_earned(self) -> bool:
        """Whether packets may be relied on; for the first time without motion to prove it (`KEYFRAME_UNPROVEN_NS`)."""
        is_first = self.mode is GateMode.LEARNING and not self.episodes.trials
        is_told = is_first or self.episodes.is_good(SILENT_LIMIT, 1 if self._needed == TRUST_TRIALS else PROOF_AGAIN)
        return is_told and self.audits.is_good(MISS_LIMIT, self._needed)

    def _lose(self, mode: GateMode, now_ns: int, reason: str) -> None:
        self._needed = min(2 * self._needed, TRUST_TRIALS_MAX)
        self._enter(mode, now_ns, reason)

    def _enter(self, mode: GateMode, now_ns: int, reason: str) -> None:
        before, self.mode = self.mode, mode
        if mode is not GateMode.PACKETS:
            self.audits = Evidence()
        if mode is not GateMode.PACKETS:
            self.episodes = Evidence()
        self.pixels = Evidence()
        self._doubtful = None
        if mode is before:
            return
        self.since_ns, self.reason = now_ns, reason
        self._changes.append(
            GateChanged(
                camera_id=self._info.camera_id,
                run=self._info.run,
                utc_ns=Ns(now_ns),
                mode_before=before,
                mode=mode,
                reason=reason,
            )
        )

    # -- state -----------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Everything that decides about packets to come."""
        evidence = [(e.trials, e.missed) for e in (self.audits, self.episodes, self.pixels)]
        times = (self._until_ns, self._signal_until_ns, self._looked_ns, self.since_ns, self._needed)
        units = [None if u is None else (u.start_ns, u.is_predicted, u.is_decoded, u.is_audit, u.is_active)
                 for u in (self._unit, self._doubtful)]  # fmt: skip
        flags = (self._is_occupied, self.is_watched)
        motion = (self._active_ns, self._untold_ns, self._occupied_ns, self._keyframe_ns, self._gop_ns)
        words = (self.mode.value, self.reason)
        state = (
            evidence,
            times,
            units,
            flags,
            motion,
            words,
            self._places,
            self._signal.snapshot(),
            self._watch.snapshot(),
        )
        return msgspec.msgpack.encode(state)

    def restore(self, state: bytes) -> None:
        """Go on as the one that wrote `state`. Raises: DataLoss."""
        try:
            evidence, times, units, flags, motion, words, places, signal, watch = _STATE.decode(state)
            self.mode, self.reason = GateMode(words[0]), words[1]
        except (msgspec.MsgspecError, ValueError) as error:
            raise DataLoss(f"gate snapshot cannot be read: {error}") from error
        self.audits, self.episodes, self.pixels = (Evidence(trials, missed) for trials, missed in evidence)
        self._until_ns, self._signal_until_ns, self._looked_ns, self.since_ns, self._needed = times
        self._unit, self._doubtful = (None if unit is None else _Unit(*unit) for unit in units)
        self._is_occupied, self.is_watched = flags
        self._active_ns, self._untold_ns, self._occupied_ns, self._keyframe_ns, self._gop_ns = motion
        self._places = places
        self._signal.restore(signal)
        self._watch.restore(watch)


_UnitState = tuple[int, bool, bool, bool, bool] | None
_Count = tuple[float, float]
_STATE = msgspec.msgpack.Decoder(
    tuple[
        tuple[_Count, _Count, _Count],
        tuple[int, int, int | None, int, int],
        tuple[_UnitState, _UnitState],
        tuple[bool, bool],
        tuple[int | None, int | None, int | None, int, int],
        tuple[str, str],
        list[list[float]],
        bytes,
        bytes,
    ]
)


def _words(evidence: Evidence, what: str) -> str:
    low, high = evidence.interval()
    return f"{evidence.missed:.0f} of {evidence.trials:.0f} {what} ({low:.1%} to {high:.1%})"
