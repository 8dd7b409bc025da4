"""From what was seen to what is covered: the part of a box that a level of redaction covers.

Shares of a person are of the box's height in pixels, so a head is as wide in a wide picture as in a tall one. The
figures were chosen on PETS 2009 and the asl-gestures (ADR 32), not fitted to them.
"""

from enum import StrEnum

from custodes.types.vision import VEHICLES, ObjectClass

Box = tuple[float, float, float, float]

HEAD_SHARE = 0.28
"""Upper share of a standing person's box that surely holds the head: 1/7.5 by the canon, doubled for bent people."""

_HEAD_UP, _HEAD_DOWN = 0.04, 0.21
"""Head level, where the picture's shape is known: from above the box (detectors cut hair) to the chin."""

_HEAD_SIDE = 0.17
"""To either side of the box's middle: half a head is .08 of the height, and it is up to .08 off the middle (1,500
heads on PETS)."""

_HEAD_OF_WIDTH = 0.5
"""A box wider than a standing person's is cut at the bottom, or of somebody who sits or stretches an arm out: a head
is then up to this share of the width high (shoulders are 2 to 3 heads wide), `_SIDE_OF_WIDTH` to either side."""

_SIDE_OF_WIDTH = 0.35

_STANDING_WIDTH = 0.5
"""Width ÷ height up to which a box is a standing person's."""

_FACE_SHRINK = 0.8

_FACE_SIDE, _FACE_UP = 0.15, 0.35
"""A found face leaves out forehead, hair and ears; the head level covers them, too."""

PLATE_TOP = 0.35
"""A vehicle's plate is below this share of its box, whichever side is seen, up to a camera 40° above it; roofs and
windscreens are above. No plate detector is packaged, so the rest of the box is covered."""


class MaskLevel(StrEnum):
    """How much of each person is covered."""

    FACE = "face"
    """Faces, and where a person's face would be: hair and ears may show."""
    HEAD = "head"
    PERSON = "person"
    """The whole box of each person: no outline, no gait. The silhouette that protected people get."""
    FRAME = "frame"


def covered_part(
    level: MaskLevel, object_class: int, box: Box, aspect: float | None, *, has_face: bool = False
) -> Box | None:
    """The part of an object's box that must be covered.

    Args: box: shares of the frame. aspect: width ÷ height of the frame in pixels; None: unknown, so that heads are as
    wide as their box. has_face: this person's face is tracked and covered by itself, with the head around it.
    Returns: shares of the frame, not clipped; None for what this level leaves alone.
    """
    if object_class == ObjectClass.FACE:
        return box if level is MaskLevel.FACE else _grown_face(box)
    if object_class != ObjectClass.PERSON:
        return None
    if level is MaskLevel.PERSON or level is MaskLevel.FRAME:
        return box
    if has_face and not _is_standing(box, aspect):
        return None
    head = _head_of(box, aspect)
    return head if level is MaskLevel.HEAD else _shrunk(head, _FACE_SHRINK)


def plate_part(object_class: int, box: Box) -> Box | None:
    """Where a vehicle's number plate must be; None for what is no vehicle."""
    if object_class not in _VEHICLE_IDS:
        return None
    return (box[0], box[1] + PLATE_TOP * (box[3] - box[1]), box[2], box[3])


_VEHICLE_IDS = frozenset(int(item) for item in VEHICLES)


def _is_standing(box: Box, aspect: float | None) -> bool:
    return aspect is None or (box[2] - box[0]) * aspect <= _STANDING_WIDTH * (box[3] - box[1])


def _head_of(box: Box, aspect: float | None) -> Box:
    height, width = box[3] - box[1], box[2] - box[0]
    if aspect is None:
        return (box[0], box[1], box[2], box[1] + HEAD_SHARE * height)
    wide = width * aspect  # in frame heights, as is `height`
    middle = (box[0] + box[2]) / 2
    down, side = _HEAD_DOWN * height, _HEAD_SIDE * height
    if not _is_standing(box, aspect):
        down = max(down, min(_HEAD_OF_WIDTH * wide, height))
        side = max(side, _SIDE_OF_WIDTH * wide)
    return (middle - side / aspect, box[1] - _HEAD_UP * height, middle + side / aspect, box[1] + down)


def _grown_face(box: Box) -> Box:
    width, height = box[2] - box[0], box[3] - box[1]
    return (
        box[0] - _FACE_SIDE * width,
        box[1] - _FACE_UP * height,
        box[2] + _FACE_SIDE * width,
        box[3] + 0.05 * height,
    )


def _shrunk(box: Box, share: float) -> Box:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    width, height = share * (box[2] - box[0]) / 2, share * (box[3] - box[1]) / 2
    return (x - width, y - height, x + width, y + height)
