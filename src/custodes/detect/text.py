"""Text in a picture as PP-OCR's networks find and read it: heat map → boxes, scores per column → characters. Pure.

Source: Liao et al., *Real-time Scene Text Detection with Differentiable Binarization*, AAAI 2020 (boxes); Graves et
al., *Connectionist Temporal Classification*, ICML 2006, best path (characters). Own code; only weights are others'.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
HEAT_MIN, BOX_MIN = 0.3, 0.6
"""Of a pixel, and of a box's mean: the values of the paper's code and of PP-OCR's own configuration."""
UNCLIP = 1.6
"""How much a shrunk text region is grown again, as a ratio of area to outline; PP-OCR's own."""
MIN_SIDE_PX = 3


def text_boxes(heat: Floats) -> list[tuple[int, int, int, int]]:
    """Upright boxes x1 y1 x2 y2 in pixels of the heat map, by falling mean heat; `heat` (h, w), 0 to 1."""
    from scipy import ndimage

    labels, count = ndimage.label(heat > HEAT_MIN)
    found: list[tuple[float, tuple[int, int, int, int]]] = []
    for number, part in enumerate(ndimage.find_objects(labels), 1):
        if part is None or number > count:
            continue
        rows, columns = part
        height, width = rows.stop - rows.start, columns.stop - columns.start
        mean = float(heat[part][labels[part] == number].mean())
        if min(height, width) < MIN_SIDE_PX or mean < BOX_MIN:
            continue
        grow = round(height * width * UNCLIP / (2 * (height + width)))
        box = (
            max(columns.start - grow, 0),
            max(rows.start - grow, 0),
            min(columns.stop + grow, heat.shape[1]),
            min(rows.stop + grow, heat.shape[0]),
        )
        found.append((mean, box))
    return [box for _, box in sorted(found, key=lambda one: -one[0])]


def best_path(chances: Floats, alphabet: Sequence[tuple[str, int]], blank: int = 0) -> tuple[str, float]:
    """What the columns read, and the least sure character's chance; ("", 0) for nothing.

    Args: chances: (t, k) of each class per column. alphabet: characters that count, with their class; others are not
    read.
    """
    classes = np.array([blank, *(number for _, number in alphabet)])
    some = chances[:, classes]
    best = some.argmax(axis=1)
    text, least, before = "", 1.0, 0
    for column, one in enumerate(best.tolist()):
        if one and one != before:
            text += alphabet[one - 1][0]
            least = min(least, float(some[column, one]))
        before = one
    return (text, least) if text else ("", 0.0)
