"""Which parts of a frame the detector has to examine, and what is known of the frame afterwards.

Every cell of a frame is like the background, or as it was when it was last examined, or is examined now, or is shed
and said to be. Pictures are cut and the detector is run by the caller. Not for tracks: those are `track`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from custodes.detect.corroborate import corroborated
from custodes.detect.motion import MIN_CELLS, LookedGrid, Motion, MotionDetector
from custodes.detect.regions import (
    ENLARGE_MAX,
    LEAST_PX,
    LEAST_WHOLE_PX,
    NOTHING,
    Region,
    RegionLimits,
    SizeMap,
    Wanted,
    fit_region,
    heights_as_people,
    plan_regions,
)
from custodes.detect.standing import Standing
from custodes.errors import DataLoss
from custodes.geometry.boxes import Boxes, empty_boxes
from custodes.geometry.cells import Cells
from custodes.types.vision import Detections, ObjectClass
from custodes.units import NS_PER_S, Ns

WHOLE_NS = 2 * NS_PER_S
"""The whole frame is examined at least this often, however quiet it is: what motion missed is found then."""

AGAIN_NS = 2 * NS_PER_S
"""What differs from the background and is no known object is examined again after this."""

PARTS_MAX = 24
"""More separate motions than this (rain, a tree in the wind) are examined as one whole frame."""

_UNKNOWN_SHARE = 1 / 20
"""Of the frame's height: how tall the smallest object is where nothing was learnt and less moves."""

_CHANGED_SHARE = 0.25
"""A known object is asked about when so much of its box is no longer as it was."""


_SURVEY_FROM = 2.5
"""Frames that have to be made smaller than this to fit the network are surveyed: one tile with each whole look."""

_EDGE_PX = 2.0
_CUT_SCORE = 0.45
"""An object at the edge of a region, within so many pixels of the input, may go on outside: it is masked from that
score, and known, so that the next region holds it whole, but begins no track."""

_EIGHT = np.ones((3, 3), bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookPlan:
    """What is to be examined in one frame. No regions: nothing, what is known holds."""

    regions: tuple[Region, ...]
    shed_px: Boxes
    """(k, 4): parts that should be examined and find no room."""
    is_whole: bool
    """The first region is the whole frame."""
    motion: Motion
    moved: Cells
    """(h, w): cells that differ from the background and from when they were last examined."""
    utc_ns: Ns
    size: tuple[int, int]
    """Of the frame, in pixels."""


class Attention:
    """One run of one camera. For each frame: `plan`, then `take` with what was found, or nothing if that failed.

    Not thread-safe. The same calls give the same plans.
    """

    def __init__(self, limits: RegionLimits) -> None:
        self._limits = limits
        self._motion = MotionDetector()
        self._looked = LookedGrid()
        self._standing = Standing()
        self._sizes = SizeMap()
        self._whole_ns: int | None = None
        """When the whole frame was last examined; None while everything has to be."""
        self._tile = 0
        self._turn = 0
        """Alternates from look to look: what one scale does not show another may."""

    def plan(
        self, luma: npt.NDArray[np.uint8], utc_ns: Ns, expected_px: Boxes, *, still_ns: int | None = None
    ) -> LookPlan:
        """Look at a frame's motion and choose what to examine.

        Args: luma: (h, w) uint8. expected_px: (n, 4) where tracks are predicted that were not measured last time.
        still_ns: how old the last look at the whole frame may be when nothing moves and nothing is known, instead of
        `WHOLE_NS`; 0 asks for the whole frame always.
        Cost: 0.15 ms at 768×432 when nothing moves, 0.3 with one region, on one core.
        """
        size = (luma.shape[1], luma.shape[0])
        motion = self._motion.look(luma, utc_ns)
        changed = self._looked.changed(motion)
        wanted = self._wanted(motion, changed, utc_ns, expected_px, size) if self._whole_ns is not None else None
        if wanted is None:  # nothing was examined yet, or too much moves to tell parts apart
            wanted, is_whole_due = NOTHING, True
        else:
            is_still = not (len(wanted.boxes_px) or len(self._standing.boxes_px) or motion.is_moving)
            allowed_ns = WHOLE_NS if still_ns is None or (still_ns and not is_still) else still_ns
            assert self._whole_ns is not None
            is_whole_due = motion.is_lighting_change or not 0 <= utc_ns - self._whole_ns < allowed_ns
        planned = plan_regions(wanted, size, self._limits, is_whole_due=is_whole_due)
        regions = planned.regions
        if planned.is_whole:
            whole = fit_region((0, 0, *size), ENLARGE_MAX, size, self._limits)
            regions = (whole, *regions, *(self._survey(size, whole) if is_whole_due else ()))
        return LookPlan(
            regions=regions,
            shed_px=planned.shed_px,
            is_whole=planned.is_whole,
            motion=motion,
            moved=changed & motion.changed,
            utc_ns=utc_ns,
            size=size,
        )

    def take(self, plan: LookPlan, found: Sequence[Detections]) -> Detections:
        """What is in the frame of the plan, now that its regions were examined.

        Args: found: per region of the plan, boxes in pixels of the region's input (`Region.width_px`, `height_px`).
        Returns: new findings and those that still hold, in pixels of the frame.
        """
        if len(found) != len(plan.regions):
            raise ValueError(f"{len(found)} findings for {len(plan.regions)} regions")
        if plan.regions:
            moved = [
                _in_frame(item, region, plan.motion, plan.size)
                for item, region in zip(found, plan.regions, strict=True)
            ]
            looked = np.array([(r.x1, r.y1, r.x2, r.y2) for r in plan.regions], np.float32)
            least = np.array([LEAST_PX / region.scale for region in plan.regions], np.float32)
            if plan.is_whole:
                least[0] = LEAST_WHOLE_PX / plan.regions[0].scale
            self._standing.update(moved, looked, plan.utc_ns, least_px=least)
            for region in plan.regions:
                self._looked.mark(plan.motion, plan.utc_ns, *_cells_inside(region, plan.motion))
        if plan.is_whole:
            self._whole_ns = plan.utc_ns
        return self._standing.detections

    def is_new(self, plan: LookPlan) -> npt.NDArray[np.bool_]:
        """(n,): which of what `take` returned was found now; the rest still holds."""
        return self._standing.is_new(plan.utc_ns)

    def failed(self) -> None:
        """The plan was not carried out: nothing that was known is relied on, the whole frame is examined next."""
        self._whole_ns = None
        self._standing.clear()

    def learn(self, boxes_norm: Boxes, class_ids: npt.NDArray[np.int16], size: tuple[int, int]) -> None:
        """Take boxes of confirmed tracks, (n, 4) in shares of a frame of `size`: so tall are objects there."""
        if len(boxes_norm):
            scale = np.array([*size, *size], np.float32)
            heights = heights_as_people(boxes_norm * scale, class_ids == ObjectClass.PERSON) / np.float32(size[1])
            self._sizes.learn(boxes_norm, heights)

    def snapshot(self) -> bytes:
        """All state; 100 to 350 kB."""
        return msgspec.msgpack.encode(
            (self._motion.snapshot(), self._looked.snapshot(), self._standing.snapshot(), self._sizes.snapshot(),
             self._whole_ns, self._tile, self._turn)
        )  # fmt: skip

    def restore(self, state: bytes) -> None:
        """Go on as what wrote `state`. Raises: DataLoss."""
        motion, looked, standing, sizes = MotionDetector(), LookedGrid(), Standing(), SizeMap()
        try:
            packed, grid, columns, heights, whole_ns, tile, turn = _STATE.decode(state)
            motion.restore(packed)
            looked.restore(grid)
            standing.restore(columns)
            sizes.restore(heights)
        except (msgspec.MsgspecError, ValueError) as error:
            raise DataLoss(f"attention snapshot cannot be read: {error}") from error
        self._motion, self._looked, self._standing, self._sizes = motion, looked, standing, sizes
        self._whole_ns, self._tile, self._turn = whole_ns, tile, turn

    # -- one frame ------------------------------------------------------------------------------------

    def _survey(self, size: tuple[int, int], whole: Region) -> tuple[Region, ...]:
        """A tile at twice the whole frame's scale, the next of nine: people far away who never move are found so."""
        if 1 / whole.scale <= _SURVEY_FROM:
            return ()
        row, column = divmod(self._tile, 3)
        self._tile = (self._tile + 1) % 9
        width, height = size[0] / 2, size[1] / 2
        x, y = column * width / 2, row * height / 2
        return (fit_region((x, y, x + width, y + height), 2 * whole.scale, size, self._limits),)

    def _wanted(
        self, motion: Motion, changed: Cells, utc_ns: Ns, expected_px: Boxes, size: tuple[int, int]
    ) -> Wanted | None:
        """Parts that moved, known objects that changed or are due, tracks that were missed; None for too many."""
        standing, is_person, is_due = self._standing.known(utc_ns)
        need = changed & motion.changed
        stale = motion.changed & self._looked.older_than(Ns(utc_ns - AGAIN_NS))
        if len(standing):
            of_object, has_changed = np.zeros_like(changed), np.zeros(len(standing), bool)
            for row, (rows, columns) in enumerate(_cell_slices(standing, motion)):
                of_object[rows, columns] = True
                part = changed[rows, columns]
                has_changed[row] = np.count_nonzero(part) > _CHANGED_SHARE * part.size
            self._standing.doubt(has_changed)
            is_due |= has_changed
            need |= changed & of_object
            stale &= ~of_object
        need |= stale
        moving, since = self._parts(need, motion)
        if len(moving) > PARTS_MAX:
            return None
        if not (len(moving) or len(expected_px) or is_due.any()):
            return NOTHING
        known = np.concatenate([standing, expected_px])
        heights = heights_as_people(
            known, np.concatenate([is_person, np.zeros(len(expected_px), bool)]), turn=self._turn
        )
        self._turn = 1 - self._turn
        boxes, small, large = self._with_objects(moving, known, heights, size)
        is_asked = np.concatenate([is_due, np.ones(len(expected_px), bool)])
        is_asked &= ~_is_covered(known, boxes)
        asked, heights = known[is_asked], heights[is_asked]
        return Wanted(
            boxes_px=np.concatenate([boxes, asked]),
            small_px=np.concatenate([small, heights]),
            large_px=np.concatenate([large, heights]),
            since_ns=np.concatenate([since, np.full(len(asked), utc_ns, np.int64)]),
        )

    def _parts(self, need: Cells, motion: Motion) -> tuple[Boxes, npt.NDArray[np.int64]]:
        """Connected cells as boxes, and since when each was not examined; specks are noise."""
        if np.count_nonzero(need) < MIN_CELLS:
            return empty_boxes(), np.zeros(0, np.int64)
        # Only where anything is: most motion is in a small part of the picture.
        within_y, within_x = np.flatnonzero(need.any(axis=1)), np.flatnonzero(need.any(axis=0))
        top, left = int(within_y[0]), int(within_x[0])
        labels, count = ndimage.label(need[top : within_y[-1] + 1, left : within_x[-1] + 1], _EIGHT)
        sizes = np.bincount(labels.ravel(), minlength=count + 1).tolist()
        boxes, since = [], []
        for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
            if sizes[number] >= MIN_CELLS:
                y1, y2, x1, x2 = rows.start + top, rows.stop + top, columns.start + left, columns.stop + left
                boxes.append((x1, y1, x2, y2))
                since.append(self._looked.oldest_ns(slice(y1, y2), slice(x1, x2)))
        return np.array(boxes, np.float32).reshape(-1, 4) * motion.cell_px, np.array(since, np.int64)

    def _with_objects(
        self, moving: Boxes, known: Boxes, heights: npt.NDArray[np.float32], size: tuple[int, int]
    ) -> tuple[Boxes, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Each motion joined with the known objects it touches; heights of the smallest and largest expected there."""
        if not len(moving):
            return moving, np.zeros(0, np.float32), np.zeros(0, np.float32)
        scale = np.array([*size, *size], np.float32)
        learnt = self._sizes.expected(moving / scale) * size[1]
        own = heights_as_people(moving, np.zeros(len(moving), bool), turn=self._turn)
        small = np.where(learnt > 0, learnt, np.maximum(own, _UNKNOWN_SHARE * size[1])).astype(np.float32)
        large = np.maximum(own, small).astype(np.float32)
        if not len(known):
            return moving, small, large
        touches = (
            (moving[:, None, 0] < known[None, :, 2]) & (known[None, :, 0] < moving[:, None, 2])
            & (moving[:, None, 1] < known[None, :, 3]) & (known[None, :, 1] < moving[:, None, 3])
        )  # fmt: skip
        boxes = moving.copy()
        for row in np.flatnonzero(touches.any(axis=1)):
            objects = known[touches[row]]
            boxes[row, :2] = np.minimum(boxes[row, :2], objects[:, :2].min(axis=0))
            boxes[row, 2:] = np.maximum(boxes[row, 2:], objects[:, 2:].max(axis=0))
            small[row] = min(heights[touches[row]].min(), small[row] if learnt[row] > 0 else np.inf)
            large[row] = max(heights[touches[row]].max(), small[row])
        return boxes, small, large


_STATE = msgspec.msgpack.Decoder(
    tuple[
        bytes,
        tuple[int, int, bytes, bytes] | None,
        tuple[bytes, bytes, bytes, bytes, bytes],
        bytes,
        int | None,
        int,
        int,
    ]
)


def _is_covered(boxes: Boxes, others: Boxes) -> npt.NDArray[np.bool_]:
    """(n,): boxes that lie inside one of the others."""
    starts, ends = others[None, :, :2] <= boxes[:, None, :2], others[None, :, 2:] >= boxes[:, None, 2:]
    is_inside = starts[..., 0] & starts[..., 1] & ends[..., 0] & ends[..., 1]
    return np.asarray(is_inside.any(axis=-1), np.bool_)


def _cell_slices(boxes_px: Boxes, motion: Motion) -> list[tuple[slice, slice]]:
    """Cells that each box touches."""
    height, width = motion.changed.shape
    slices = []
    for x1, y1, x2, y2 in (boxes_px / motion.cell_px).tolist():
        rows = slice(min(max(int(y1), 0), height - 1), min(max(int(y2) + 1, 1), height))
        slices.append((rows, slice(min(max(int(x1), 0), width - 1), min(max(int(x2) + 1, 1), width))))
    return slices


def _cells_inside(region: Region, motion: Motion) -> tuple[slice, slice]:
    """Cells that lie wholly inside a region."""
    cell = motion.cell_px
    return slice(-(-region.y1 // cell), region.y2 // cell), slice(-(-region.x1 // cell), region.x2 // cell)


def _in_frame(found: Detections, region: Region, motion: Motion, size: tuple[int, int]) -> Detections:
    """A region's findings in pixels of the frame. What its edge may have cut is too doubtful to begin a track."""
    scale = np.array([(region.x2 - region.x1) / region.width_px, (region.y2 - region.y1) / region.height_px] * 2)
    origin = np.array([region.x1, region.y1] * 2)
    boxes = (found.boxes_px * scale + origin).astype(np.float32)
    placed = corroborated(Detections(boxes_px=boxes, scores=found.scores, class_ids=found.class_ids), motion)
    inner = np.array([region.x1 if region.x1 > 0 else -np.inf, region.y1 if region.y1 > 0 else -np.inf])
    outer = np.array(
        [region.x2 if region.x2 < size[0] - 1 else np.inf, region.y2 if region.y2 < size[1] - 1 else np.inf]
    )
    near = _EDGE_PX * scale[:2]
    is_cut = (boxes[:, :2] < inner + near).any(axis=1) | (boxes[:, 2:] > outer - near).any(axis=1)
    scores = np.where(is_cut, np.minimum(placed.scores, np.float32(_CUT_SCORE)), placed.scores).astype(np.float32)
    return Detections(boxes_px=boxes, scores=scores, class_ids=found.class_ids)
