"""Several small pictures in one network input: where each lies, and whose a detection is. No network in here.

One call for a packed picture costs less than one per part, and less than a batch of them: with nanodet-g on one core
2.3 ms instead of 3.2 (alone) per part of 96×96, 5.8 instead of 6.9 at 160×160; a batch of eight takes 2.3 and 6.1
without reading its outputs (`bench.regions`, 2026-11, shared machine). A batch would also need parts of one size.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

GROUND = 114
"""Grey between parts, as in `detect.picture`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Where one picture lies in its canvas, in pixels."""

    index: int
    """Of the picture among those that were packed."""
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """One input picture and what lies in it."""

    width: int
    height: int
    slots: tuple[Slot, ...]


def pack(sizes: Sequence[tuple[int, int]], *, pixels_max: int, fixed: tuple[int, int] | None) -> list[Canvas]:
    """Lay pictures on as few and small canvases as shelves allow.

    Args: sizes: width and height of each picture. pixels_max: of one canvas, if its size is free; exceeded only by a
    single picture that is larger. fixed: width and height of every canvas, for networks with one input size; no
    picture may be larger.
    Returns: canvases; every picture lies in one of them, none on another. Cost: 0.1 ms for ten.
    """
    order = sorted(range(len(sizes)), key=lambda index: (-sizes[index][1], -sizes[index][0], index))
    canvases: list[Canvas] = []
    while order:
        if fixed is not None:
            slots = _shelves(order, sizes, fixed[0], fixed[1])[0]
            canvas = Canvas(width=fixed[0], height=fixed[1], slots=tuple(slots))
        else:
            canvas = _smallest(order, sizes, pixels_max)
        placed = {slot.index for slot in canvas.slots}
        if not placed:
            raise ValueError(f"a picture of {sizes[order[0]]} does not fit into an input of {fixed}")
        order = [index for index in order if index not in placed]
        canvases.append(canvas)
    return canvases


_WIDTHS_TRIED = 8


def _smallest(order: list[int], sizes: Sequence[tuple[int, int]], pixels_max: int) -> Canvas:
    """The canvas that wastes least, of several widths; what goes beyond the limit is left for the next one."""
    first_width, first_height = sizes[order[0]]
    widest = max(sizes[index][0] for index in order)
    widths = {max(sum(sizes[index][0] for index in order[:n]), widest) for n in range(1, _WIDTHS_TRIED + 1)}
    best: tuple[float, Canvas] | None = None
    for width in sorted({width if width * first_height <= pixels_max else first_width for width in widths}):
        limit = max(pixels_max // width, first_height)
        slots, height = _shelves(order, sizes, width, limit)
        used = sum(slot.width * slot.height for slot in slots)
        key = width * height / used
        # Every part needs a call: what holds more parts is better even if it wastes some ground.
        key += 2.0 * (len(order) - len(slots)) / len(order)
        if best is None or key < best[0]:
            best = (key, Canvas(width=width, height=height, slots=tuple(slots)))
    assert best is not None
    return best[1]


def _shelves(
    order: list[int], sizes: Sequence[tuple[int, int]], width_max: int, height_max: int
) -> tuple[list[Slot], int]:
    """Next to each other in rows as high as their first picture, the highest first. What does not fit is left out."""
    slots: list[Slot] = []
    shelves: list[list[int]] = []  # x, y, height
    bottom = 0
    for index in order:
        width, height = sizes[index]
        shelf = next((row for row in shelves if row[0] + width <= width_max and height <= row[2]), None)
        if shelf is None:
            if bottom + height > height_max or width > width_max:
                continue
            shelf = [0, bottom, height]
            shelves.append(shelf)
            bottom += height
        slots.append(Slot(index=index, x=shelf[0], y=shelf[1], width=width, height=height))
        shelf[0] += width
    return slots, bottom


def paint(canvas: Canvas, pictures: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8: the canvas with its pictures."""
    if len(canvas.slots) == 1 and pictures[canvas.slots[0].index].shape[:2] == (canvas.height, canvas.width):
        return pictures[canvas.slots[0].index]
    painted = np.full((canvas.height, canvas.width, 3), GROUND, np.uint8)
    for slot in canvas.slots:
        painted[slot.y : slot.y + slot.height, slot.x : slot.x + slot.width] = pictures[slot.index]
    return painted


def owners(canvas: Canvas, boxes_px: npt.NDArray[np.float32]) -> npt.NDArray[np.intp]:
    """(n,): row of `canvas.slots` in which each box has its middle; -1 for between them."""
    middle = (boxes_px[:, :2] + boxes_px[:, 2:]) / 2
    low = np.array([(slot.x, slot.y) for slot in canvas.slots], np.float32)
    high = np.array([(slot.x + slot.width, slot.y + slot.height) for slot in canvas.slots], np.float32)
    starts = (middle[:, None, :] >= low[None, :, :]).all(axis=-1)
    ends = (middle[:, None, :] < high[None, :, :]).all(axis=-1)
    is_in = np.logical_and(starts, ends)
    return np.where(is_in.any(axis=-1), is_in.argmax(axis=-1), -1)
