"""Looks at a film that lies on a disk: which frames, in which parts, and what was found. Nothing is tracked here.

A film waits for nobody, so a look is thorough: the whole picture, parts of it at a larger scale, and faces by
themselves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.detect.boxes import suppress
from custodes.detect.detector import SessionDetector
from custodes.geometry.boxes import areas, share_of_smaller
from custodes.geometry.cells import Grid, cell_means
from custodes.types.media import Frame
from custodes.types.vision import VEHICLES, Detections, ObjectClass
from custodes.units import NS_PER_S, Ns

LOOKS_PER_S = 10
"""A walker moves a tenth of their height between two looks; what lies between is covered from the one to the other."""

_FPS_BELIEVED = 60.0
"""A film that claims more is slow motion or was written with a wrong clock, and then a tenth of a second by that clock
may be seconds of what it shows: at least every sixth frame is looked at."""

_TILE_SHARE = 0.6
"""Side of a part, of the picture's: a person up to a fifth of the picture lies whole in at least one of four."""

_TILE_FROM = 1.5
"""Pictures with more pixels than this times the detector's input are also looked at in parts."""

_CUT_PX = 3
"""A box that ends this near to a part's inner edge goes on beyond it and is left to the other looks."""

_CUT_SHARE = 0.1
"""Farther from it, up to this share of its own side, a box may be cut, too: a network's edges of what its picture cuts
are off by pixels of its output. Then it is a piece if another look knows the whole: `_without_pieces`."""

_PIECE_INSIDE = 0.8
"""So much of a piece lies in the whole."""

_SAME_IOU = 0.6
_CELLS_ACROSS = 96

Crop = tuple[int, int, int, int]
ToRgb = Callable[[Frame, Crop, tuple[int, int]], npt.NDArray[np.uint8]]
"""A part x1 y1 x2 y2 of a frame (even pixels), scaled to (width, height) → (height, width, 3) uint8 RGB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one frame showed. `found`: people, faces and vehicles in pixels; `grid`: the picture as cell means."""

    seq: int
    utc_ns: Ns
    size_px: tuple[int, int]
    found: Detections
    grid: Grid


class FilmLooker:
    """Decides which frames are looked at, and looks. Owned by one thread."""

    def __init__(self, people: SessionDetector, faces: SessionDetector | None, to_rgb: ToRgb, *, fps: float) -> None:
        self._people = people
        self._faces = faces
        self._to_rgb = to_rgb
        self._step = max(1, int(min(fps, _FPS_BELIEVED) / LOOKS_PER_S))
        self._seen = 0
        self._parts_turn = 0
        self._pending: Frame | None = None
        self.looks: list[Look] = []
        self.model_names = [found.ref.name for found in (people, faces) if found is not None]

    def take(self, frame: Frame) -> bool:
        """One frame in order; a corrupt one is not looked at. True when it was looked at."""
        is_due = self._seen % self._step == 0
        self._seen += 1
        if frame.is_corrupt:
            self._pending = None
            return False
        if is_due:
            self._pending = None
            self.looks.append(self.look(frame))
        else:
            self._pending = frame
        return is_due

    def finish(self) -> None:
        """The film is over: its last frame is looked at, too, so that nothing hangs over the end."""
        if self._pending is not None:
            self.looks.append(self.look(self._pending))
            self._pending = None

    def look(self, frame: Frame) -> Look:
        """Everything that the detectors find in one frame, at their floors."""
        height, width = frame.y.shape
        whole = (0, 0, width, height)
        tiles = self._tiles(width, height)
        parts = [self._find(self._people, frame, part, whole) for part in (whole, *tiles)]
        for number, tile in enumerate(tiles, 1):
            others = [part for at, part in enumerate(parts) if at != number]
            parts[number] = _without_pieces(parts[number], tile, whole, others)
        if self._faces is not None:
            parts.append(self._find(self._faces, frame, whole, whole))
        grid, _ = cell_means(frame.y, across=_CELLS_ACROSS, samples=2)
        return Look(
            seq=frame.seq, utc_ns=frame.utc_ns, size_px=(width, height), found=_joined(parts), grid=grid
        )  # fmt: skip

    def _tiles(self, width: int, height: int) -> list[Crop]:
        """Two opposite quarters of the four, in turn."""
        spec = self._people.manifest.input
        if width * height <= _TILE_FROM * spec.width_px * spec.height_px:
            return []
        across, down = int(width * _TILE_SHARE) & ~1, int(height * _TILE_SHARE) & ~1
        right, bottom = (width - across) & ~1, (height - down) & ~1
        self._parts_turn += 1
        corners = [(0, 0), (right, bottom)] if self._parts_turn % 2 else [(right, 0), (0, bottom)]
        return [(x, y, x + across, y + down) for x, y in corners]

    def _find(self, detector: SessionDetector, frame: Frame, part: Crop, whole: Crop) -> Detections:
        x1, y1, x2, y2 = part
        size = detector.input_size_px(x2 - x1, y2 - y1)
        found = detector.detect([self._to_rgb(frame, part, size)])[0]
        scale = np.array([(x2 - x1) / size[0], (y2 - y1) / size[1]] * 2, np.float32)
        boxes = found.boxes_px * scale + np.array([x1, y1, x1, y1], np.float32)
        is_cut = np.zeros(len(boxes), bool)
        for side, edge in enumerate(part):
            if edge != whole[side]:
                is_cut |= np.abs(boxes[:, side] - edge) <= _CUT_PX * scale[side]
        keep = ~is_cut
        return Detections(boxes_px=boxes[keep], scores=found.scores[keep], class_ids=found.class_ids[keep])


def _without_pieces(found: Detections, part: Crop, whole: Crop, others: Sequence[Detections]) -> Detections:
    """Without boxes that end near an inner edge of their part and lie in one of the same kind that goes on beyond it.

    The head of a torso that an edge cuts would be guessed at the torso's top. What no other look explains stays.
    """
    boxes, groups = found.boxes_px, _GROUP[found.class_ids]
    known = np.concatenate([other.boxes_px for other in others])
    kinds = _GROUP[np.concatenate([other.class_ids for other in others])]
    is_inside = (share_of_smaller(boxes, known) >= _PIECE_INSIDE) & (areas(known) > areas(boxes)[:, None])
    is_piece = np.zeros(len(boxes), bool)
    for side in range(4):
        if part[side] == whole[side]:
            continue
        near = np.abs(boxes[:, side] - part[side]) <= _CUT_SHARE * (boxes[:, side % 2 + 2] - boxes[:, side % 2])
        beyond = known[:, side] < boxes[:, None, side] if side < 2 else known[:, side] > boxes[:, None, side]
        # More than the two looks' own differences: the whole goes on by a tenth of its side.
        sides = known[:, side % 2 + 2] - known[:, side % 2]
        beyond &= np.abs(known[:, side] - boxes[:, None, side]) > _CUT_SHARE * sides
        is_piece |= near & (beyond & is_inside & (kinds == groups[:, None])).any(axis=1)
    keep = ~is_piece
    return Detections(boxes_px=boxes[keep], scores=found.scores[keep], class_ids=found.class_ids[keep])


_GROUP = np.array([1 if item in VEHICLES else 2 + item for item in sorted(ObjectClass)], np.int16)


def _joined(parts: Sequence[Detections]) -> Detections:
    """All of them, each object once: the surer box of two that are the same."""
    boxes = np.concatenate([part.boxes_px for part in parts]).astype(np.float32)
    scores = np.concatenate([part.scores for part in parts])
    classes = np.concatenate([part.class_ids for part in parts])
    kept = suppress(boxes, scores, _GROUP[classes], iou_max=_SAME_IOU)
    return Detections(boxes_px=boxes[kept], scores=scores[kept], class_ids=classes[kept])


def look_interval_ns(looks: Sequence[Look]) -> int:
    """The median time between two looks; a tenth of a second when there is but one."""
    gaps = np.diff([look.utc_ns for look in looks])
    return int(np.median(gaps)) if len(gaps) else NS_PER_S // LOOKS_PER_S
