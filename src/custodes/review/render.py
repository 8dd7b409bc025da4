"""One decoded frame to one that may be shown: masked, scaled, marked. Fails closed.

Masking comes before scaling, so that no filter mixes a person's pixels out of the box; marking comes last, at the size
that is delivered.
"""

from collections.abc import Callable
from dataclasses import dataclass

from custodes.media.scale import Scaler
from custodes.redact.fill import fill_boxes, fill_frame
from custodes.redact.timeline import MaskTimeline
from custodes.types.access import Fidelity
from custodes.types.media import Frame
from custodes.units import Ns, RunId
from custodes.watermark.mark import Marker


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A picture that may leave. `is_fully_masked`: nobody vouched for its masks."""

    frame: Frame
    is_fully_masked: bool


def _masked() -> Fidelity:
    return Fidelity.MASKED


class Renderer:
    """Renders frames of one view by one policy."""

    def __init__(
        self,
        *,
        fidelity: Fidelity,
        timeline: MaskTimeline,
        max_height_px: int,
        permitted: Callable[[], Fidelity] = _masked,
    ) -> None:
        """`permitted`: what the warden's release says (`ViewKeys.fidelity`); the task's word alone unmasks nothing."""
        self._fidelity = fidelity
        self._permitted = permitted
        self._timeline = timeline
        self._max_height_px = max_height_px
        self._scaler = Scaler()

    @property
    def timeline(self) -> MaskTimeline:
        """What is known about masks."""
        return self._timeline

    def is_vouched(self, utc_ns: Ns, run: RunId) -> bool:
        """Whether masks of the run are vouched for from a moment up to the look-ahead, or none are wanted."""
        return self._is_unmasked() or self._timeline.vouches_over(
            utc_ns, Ns(utc_ns + self._timeline.policy.look_ahead_ns), run
        )

    def _is_unmasked(self) -> bool:
        """Only when it was asked for and the warden released its keys for it."""
        return self._fidelity is Fidelity.UNMASKED and self._permitted() is Fidelity.UNMASKED

    def render(self, frame: Frame, marker: Marker) -> Rendered:
        """Mask, scale, mark. Unmasked, by approval: scale and mark.

        A frame that is corrupt is filled whole: its content may stand where no box is.
        """
        if self._is_unmasked():
            return Rendered(
                frame=marker.mark(self._scaler.scale_down(frame, self._max_height_px)), is_fully_masked=False
            )
        masks = self._timeline.masks_at(frame.utc_ns, frame.run)
        is_fully_masked = masks is None or frame.is_corrupt or not self.is_vouched(frame.utc_ns, frame.run)
        masked = fill_frame(frame) if masks is None or is_fully_masked else fill_boxes(frame, masks)
        return Rendered(
            frame=marker.mark(self._scaler.scale_down(masked, self._max_height_px)), is_fully_masked=is_fully_masked
        )
