"""What remains of a track when it is over."""

from dataclasses import dataclass

from custodes.types.vision import ObjectClass
from custodes.units import Ns


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTrack:
    """A confirmed track that is over, summed up."""

    track_id: int
    object_class: ObjectClass
    start_ns: Ns
    end_ns: Ns
    """Last time it was measured."""
    frames: int
    mean_score: float
    quality: float
    """0 to 1: mean score times the share of its frames in which it was measured. A track that lived on predictions, or
    on weak detections, is low."""
    first_box_norm: tuple[float, float, float, float]
    last_box_norm: tuple[float, float, float, float]
