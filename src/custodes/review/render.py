"""One decoded frame to one that may be shown: masked, scaled, marked. Fails closed.

Masking comes before scaling, so that no filter mixes a person's pixels out of the box; marking comes last, at the size
that is delivered.
"""

from collections.abc import Callable
from dataclasses import dataclass

from custodes.geometry.boxes import Boxes
from custodes.geometry.cells import Grid
from custodes.media.scale import Scaler
from custodes.redact.fill import fill_boxes, fill_frame
from custodes.redact.likeness import grid_of, is_like
from custodes.redact.timeline import NOBODY, MaskTimeline, TrackKey
from custodes.review.permitted import Permitted
from custodes.types.access import Fidelity
from custodes.types.media import Frame
from custodes.units import Ns, RunId
from custodes.watermark.mark import Marker


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A picture that may leave. `is_fully_masked`: nobody vouched for its masks."""

    frame: Frame
    is_fully_masked: bool


FindFrame = Callable[[Ns, RunId], Frame | None]
"""(time, run) → the recorded picture of that very moment, decoded; None when there is none."""


def _find_none(_utc_ns: Ns, _run: RunId) -> Frame | None:
    return None


def _nobody() -> Permitted:
    return Permitted()


class Renderer:
    """Renders frames of one view by one policy."""

    def __init__(
        self,
        *,
        fidelity: Fidelity,
        timeline: MaskTimeline,
        max_height_px: int,
        permitted: Callable[[], Permitted] = _nobody,
        shown: frozenset[TrackKey] = NOBODY,
    ) -> None:
        """Args: permitted: what the warden's release says (`ViewKeys.permitted`); the task's word alone unmasks
        nobody. shown: the only people whom the task unmasks; empty: whomever the release does.
        """
        self._fidelity = fidelity
        self._permitted = permitted
        self._shown = shown
        self._timeline = timeline
        self._max_height_px = max_height_px
        self._scaler = Scaler()
        self._looked_at: tuple[Ns, RunId, Grid | None] | None = None
        self.find_frame: FindFrame = _find_none
        """Set by views that have a recording: finds the picture to compare an undecoded stretch's pictures with."""

    @property
    def timeline(self) -> MaskTimeline:
        """What is known about masks."""
        return self._timeline

    def is_settled(self, utc_ns: Ns, run: RunId) -> bool:
        """Whether all is known of the run up to the look-ahead behind a moment, or no masks are wanted."""
        return self._may_show().is_everybody or self._timeline.is_settled(utc_ns, run)

    def _may_show(self) -> Permitted:
        """Only what was asked for and the warden released its keys for."""
        may_show = self._permitted().of(self._fidelity, self._shown)
        if may_show.hidden is not None:
            self._timeline.cover_whole_people()
        return may_show

    def render(self, frame: Frame, marker: Marker) -> Rendered:
        """Mask, scale, mark. Unmasked, by approval: privacy zones, scale and mark.

        A frame that is corrupt is filled whole: its content may stand where no box is.
        """
        if self._may_show().is_everybody:
            clear = fill_boxes(frame, self._timeline.zones_at(frame.utc_ns))
            return Rendered(
                frame=marker.mark(self._scaler.scale_down(clear, self._max_height_px)), is_fully_masked=False
            )
        masks = None
        if not frame.is_corrupt and self._timeline.is_settled(frame.utc_ns, frame.run):
            masks = self._timeline.masks_at(frame.utc_ns, frame.run, _aspect(frame), exempt=self._may_show().exempt)
            if masks is None:
                masks = self._masks_by_likeness(frame)
        is_fully_masked = masks is None
        masked = fill_frame(frame) if masks is None else fill_boxes(frame, masks)
        return Rendered(
            frame=marker.mark(self._scaler.scale_down(masked, self._max_height_px)), is_fully_masked=is_fully_masked
        )

    def _masks_by_likeness(self, frame: Frame) -> Boxes | None:
        """Masks of a quiet stretch that nobody vouches for, if the picture equals the one looked at before it."""
        quiet = self._timeline.quiet_at(frame.utc_ns, frame.run, _aspect(frame), exempt=self._may_show().exempt)
        if quiet is None:
            return None
        looked_ns, masks = quiet
        if self._looked_at is None or self._looked_at[:2] != (looked_ns, frame.run):
            found = self.find_frame(looked_ns, frame.run)
            self._looked_at = (looked_ns, frame.run, None if found is None else grid_of(found.y))
        grid = self._looked_at[2]
        return masks if grid is not None and is_like(frame.y, grid, masks) else None


def _aspect(frame: Frame) -> float:
    height_px, width_px = frame.y.shape
    return float(width_px / height_px)
