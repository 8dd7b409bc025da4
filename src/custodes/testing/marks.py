"""Reading a mark where nothing was moved: for tests and benches of the paths that deliver pictures."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from custodes.watermark.pattern import slot_key
from custodes.watermark.residual import Aligned, evidence_of, working
from custodes.watermark.score import scores


def score(original: npt.NDArray[np.uint8], suspect: npt.NDArray[np.uint8], mark_key: bytes, slot: int) -> float:
    """z of one candidate, the better of the ways to look.

    Args:
        original: (h, w) uint8 luma of the picture as it was before marking (redacted and scaled the same way).
        suspect: (h, w) uint8 luma of the picture found, which lies exactly over it.
        mark_key, slot: the candidate.
    """
    return float(score_all(original, suspect, [mark_key], slot)[0])


def score_all(
    original: npt.NDArray[np.uint8], suspect: npt.NDArray[np.uint8], mark_keys: Sequence[bytes], slot: int
) -> npt.NDArray[np.float64]:
    """Like `score`, for many candidates at the cost of one."""
    picture = working(suspect)
    aligned = Aligned(original=working(original), picture=picture, valid=np.ones_like(picture))
    keys = [slot_key(key, slot) for key in mark_keys]
    return np.asarray(np.max([scores(each, keys) for each in evidence_of(aligned)], axis=0))
