"""Whether packets, or pixels, may decide what is looked at: evidence, and the mode that follows from it.

Trust is lost on two misses that are surely too many, and has to be earned back. What counts as a trial or a miss is
`activity_gate`'s to say.
"""

import msgspec
import numpy as np

from custodes.errors import DataLoss
from custodes.geometry.boxes import Boxes, iou_matrix
from custodes.pipeline.reliability import Evidence
from custodes.types.event import GateChanged, GateMode
from custodes.types.media import StreamInfo
from custodes.units import Ns

PROOF_EPISODES = 3
PROOF_AGAIN = 6
"""Beginnings of motion that packets must have told of before a quiet camera is looked at less often; and as many again
once they were found to tell of nothing."""

TRUST_TRIALS = 10
TRUST_TRIALS_MAX = 1800
"""Quiet GOPs that must have been told right before the gate is trusted; doubled each time trust was lost."""

MISS_LIMIT = 0.02
"""Share of quiet GOPs with motion in them, surely above which the gate is not to be relied on."""

SILENT_LIMIT = 0.1
"""Share of beginnings of motion, surely above which packets that do not tell of them are not to be relied on."""

PIXEL_MISS_LIMIT = 0.05
PIXEL_TRIALS = 60
"""The same for pixels: share of the detector's checks of still pictures that found somebody new, and how many checks
with less than half of it bring pixels back."""

_SAME_PLACE_IOU = 0.5
_PLACES_KEPT = 16


class Trust:
    """Of one camera's gate."""

    def __init__(self) -> None:
        self._needed = TRUST_TRIALS
        self._places: list[list[float]] = []
        self._changes: list[GateChanged] = []
        self.mode = GateMode.LEARNING
        self.since_ns = 0
        self.reason = ""
        self.audits = Evidence()
        """Quiet GOPs that were decoded; missed are those with motion that packets did not tell of."""
        self.episodes = Evidence()
        """Beginnings of motion, however they were seen; missed are those that packets did not tell of."""
        self.pixels = Evidence()
        """Still pictures that the detector was asked about; missed are those with somebody new."""

    @property
    def is_proven(self) -> bool:
        """Whether motion has come, and packets told of it."""
        return self.episodes.is_good(SILENT_LIMIT, PROOF_EPISODES)

    def take_pixels(self, found: bool, boxes_norm: Boxes) -> None:
        """The detector was asked about a still picture; what it finds at one place again and again stands there."""
        is_new = False
        if found:
            known = np.array(self._places, np.float32).reshape(-1, 4)
            overlap = iou_matrix(boxes_norm, known).max(axis=1, initial=0)
            new = boxes_norm[overlap < _SAME_PLACE_IOU]
            self._places = (self._places + new.tolist())[-_PLACES_KEPT:]
            is_new = len(new) > 0
        self.pixels.put(is_missed=is_new)

    def choose(self, info: StreamInfo, now_ns: int) -> bool:
        """Decide by the evidence as it stands; True when the mode is another now."""
        audits, episodes, pixels = self.audits, self.episodes, self.pixels
        before = self.mode
        if self.mode is GateMode.EVERY_FRAME:
            if pixels.is_good(PIXEL_MISS_LIMIT / 2, PIXEL_TRIALS):
                self._enter(GateMode.PIXELS, info, now_ns, _still_words(pixels))
        elif pixels.is_bad(PIXEL_MISS_LIMIT):
            self._lose(GateMode.EVERY_FRAME, info, now_ns, _still_words(pixels))
        elif audits.is_bad(MISS_LIMIT):
            self._lose(GateMode.PIXELS, info, now_ns, _quiet_words(audits))
        elif self.mode is GateMode.PACKETS:
            if episodes.is_bad(SILENT_LIMIT):
                self._lose(GateMode.PIXELS, info, now_ns, _silent_words(episodes))
        elif self._is_earned:
            self._enter(GateMode.PACKETS, info, now_ns, _quiet_words(audits))
        return self.mode is not before

    def changes(self) -> list[GateChanged]:
        """What was decided since the last call."""
        changes, self._changes = self._changes, []
        return changes

    @property
    def _is_earned(self) -> bool:
        """For the first time without motion to prove it; quiet cameras are then looked at more often."""
        is_first = self.mode is GateMode.LEARNING and not self.episodes.trials
        is_told = is_first or self.episodes.is_good(SILENT_LIMIT, 1 if self._needed == TRUST_TRIALS else PROOF_AGAIN)
        return is_told and self.audits.is_good(MISS_LIMIT, self._needed)

    def _lose(self, mode: GateMode, info: StreamInfo, now_ns: int, reason: str) -> None:
        self._needed = min(2 * self._needed, TRUST_TRIALS_MAX)
        self._enter(mode, info, now_ns, reason)

    def _enter(self, mode: GateMode, info: StreamInfo, now_ns: int, reason: str) -> None:
        before, self.mode = self.mode, mode
        if mode is not GateMode.PACKETS:
            self.audits, self.episodes = Evidence(), Evidence()
        self.pixels = Evidence()
        if mode is before:
            return
        self.since_ns, self.reason = now_ns, reason
        self._changes.append(
            GateChanged(
                camera_id=info.camera_id,
                run=info.run,
                utc_ns=Ns(now_ns),
                mode_before=before,
                mode=mode,
                reason=reason,
            )
        )

    def snapshot(self) -> bytes:
        """Mode and evidence."""
        evidence = [(e.trials, e.missed) for e in (self.audits, self.episodes, self.pixels)]
        numbers = (self._needed, self.since_ns)
        return msgspec.msgpack.encode((self.mode.value, self.reason, numbers, evidence, self._places))

    def restore(self, state: bytes) -> None:
        """Go on as the one that wrote `state`. Raises: DataLoss."""
        try:
            mode, self.reason, numbers, evidence, self._places = _STATE.decode(state)
            self.mode = GateMode(mode)
        except (msgspec.MsgspecError, ValueError) as error:
            raise DataLoss(f"trust snapshot cannot be read: {error}") from error
        self._needed, self.since_ns = numbers
        self.audits, self.episodes, self.pixels = (Evidence(trials, missed) for trials, missed in evidence)


_Count = tuple[float, float]
_STATE = msgspec.msgpack.Decoder(tuple[str, str, tuple[int, int], tuple[_Count, _Count, _Count], list[list[float]]])


def _still_words(of: Evidence) -> str:
    low, high = of.interval()
    return f"{of.missed:.0f} of {of.trials:.0f} still pictures hid somebody ({low:.1%} to {high:.1%})"


def _quiet_words(of: Evidence) -> str:
    low, high = of.interval()
    return f"{of.missed:.0f} of {of.trials:.0f} quiet GOPs held motion ({low:.1%} to {high:.1%})"


def _silent_words(of: Evidence) -> str:
    low, high = of.interval()
    return f"{of.missed:.0f} of {of.trials:.0f} motions did not show in packets ({low:.1%} to {high:.1%})"
