"""Why a part of a picture is covered, for the person who looks at it."""

from dataclasses import dataclass
from enum import StrEnum

from custodes.redact.levels import Box


class MaskReason(StrEnum):
    """What the mask is for."""

    PERSON = "person"
    HEAD = "head"
    FACE = "face"
    PLATE = "plate"
    MOVED = "moved"
    """Something moved, and nobody knows yet what."""
    ZONE = "zone"
    LEVEL = "level"
    """The policy covers whole pictures."""
    UNKNOWN = "unknown"
    """Nobody vouches for this moment."""


class MaskBasis(StrEnum):
    """How it is known that it belongs there."""

    SEEN = "seen"
    BETWEEN = "between"
    """Between two looks at the same person."""
    BEFORE = "before"
    """Up to the pre-roll before somebody was first seen."""
    AFTER = "after"
    ALWAYS = "always"


_WHAT = {
    MaskReason.PERSON: "a person",
    MaskReason.HEAD: "a person's head",
    MaskReason.FACE: "a face",
    MaskReason.MOVED: "something that moved and may be a person",
    MaskReason.PLATE: "where a vehicle's number plate may be",
}
_HOW = {
    MaskBasis.SEEN: "seen in this picture",
    MaskBasis.BETWEEN: "seen before and after this picture",
    MaskBasis.BEFORE: "seen shortly after this picture",
    MaskBasis.AFTER: "seen shortly before this picture",
}
_ALWAYS = {
    MaskReason.ZONE: "This part of the picture is a privacy zone of the camera: it is always covered.",
    MaskReason.LEVEL: "Pictures of this camera are covered as a whole.",
    MaskReason.UNKNOWN: "The analysis has not looked at this moment, so that the whole picture is covered.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """One covered box, shares of the frame. `track_id`: whose it is, -1 where it is no track's."""

    box: Box
    reason: MaskReason
    basis: MaskBasis
    track_id: int

    def moved(self, box: Box) -> "Mask":
        """The same mask elsewhere."""
        return Mask(box=box, reason=self.reason, basis=self.basis, track_id=self.track_id)

    @property
    def sentence(self) -> str:
        """The answer to "why do I see this masked?"."""
        return _ALWAYS.get(self.reason) or f"Covers {_WHAT[self.reason]}, {_HOW[self.basis]}."
