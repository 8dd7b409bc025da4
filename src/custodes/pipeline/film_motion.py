"""What moved in a film and no mask covers: the detectors may have missed somebody there."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from custodes.geometry.cells import clear_boxes, distance_from
from custodes.pipeline.film_looks import Look
from custodes.redact.film_masks import FilmMasks
from custodes.redact.levels import Box, MaskLevel
from custodes.redact.moments import Doubt, Moment, moment_of
from custodes.redact.samples import joined
from custodes.redact.timeline import MaskPolicy
from custodes.types.event import FrameAnalysed

_THRESHOLD = 14.0
"""Grey levels of a cell's mean between two looks. Twice and more what noise does; leaves in wind do more."""

_MIN_CELLS = 4
_MAX_SHARE = 0.5
"""More of the picture changed than this: a cut or a moving camera, which says nothing of people."""

_MAX_MOMENTS = 3
"""More of them at once are a light that changed, a cut or a camera that shook: one moment to look at, not twenty."""

_MAX_BLOBS = 64
"""More of them say nothing of anybody."""

_MARGIN = 0.35
"""Around people's boxes: arms, shadows and what they carry move, too."""


def moved_uncovered(looks: Sequence[Look], facts: Sequence[FrameAnalysed]) -> list[Moment]:
    """Blobs of cells that changed from look to look outside of all people and vehicles. About 0.3 ms a look."""
    return [
        moment_of(Doubt.MOVED, before.utc_ns, look.utc_ns, box)
        for before, look, boxes in zip(looks, looks[1:], blobs_uncovered(looks, facts), strict=False)
        for box in (boxes if len(boxes) <= _MAX_MOMENTS else [joined(boxes)])
    ]


def blobs_uncovered(
    looks: Sequence[Look], facts: Sequence[FrameAnalysed], *, margin: float = _MARGIN
) -> list[list[Box]]:
    """For each look but the first, what changed since the one before outside of all people and vehicles.

    Args: margin: around people's boxes, as a share of them.
    """
    people = FilmMasks(MaskPolicy(level=MaskLevel.PERSON, margin=margin, has_plates=False), facts)
    found: list[list[Box]] = []
    for before, look, fact in zip(looks, looks[1:], facts[1:], strict=False):
        found.append([])
        if before.grid.shape != look.grid.shape:
            continue
        changed = distance_from(look.grid, before.grid) > _THRESHOLD
        if changed.mean() > _MAX_SHARE:
            continue
        for utc_ns in (before.utc_ns, look.utc_ns):
            masks = people.masks_at(utc_ns, fact.frame.run)
            if masks is not None:
                clear_boxes(changed, masks)
        # What moved was a vehicle: not a person, and known.
        clear_boxes(changed, fact.frame.boxes_norm)
        found[-1] = _blobs(changed)
    return found


def _blobs(changed: np.ndarray) -> list[Box]:
    labels, count = ndimage.label(changed)
    if not count:
        return []
    rows, columns = changed.shape
    sizes = np.bincount(labels.ravel())
    found = [
        (part[1].start / columns, part[0].start / rows, part[1].stop / columns, part[0].stop / rows)
        for number, part in enumerate(ndimage.find_objects(labels), 1)
        if sizes[number] >= _MIN_CELLS
    ]
    return found if len(found) <= _MAX_BLOBS else [joined(found)]
