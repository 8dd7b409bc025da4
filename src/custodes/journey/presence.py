"""How many were there at once, of the time that was analysed: a track that lasts over a stretch which nobody analysed
says nothing of that stretch."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Moments = npt.NDArray[np.int64]


def mean_present(starts: Moments, ends: Moments, analysed: Sequence[tuple[int, int]]) -> float:
    """Mean number of tracks over the analysed time; 0 for none of it.

    Args: starts, ends: (n,) of tracks, ns; analysed: disjoint stretches by time, ns.
    """
    whole = sum(end - start for start, end in analysed)
    if whole <= 0:
        return 0.0
    origin = analysed[0][0]
    edges = np.array([edge - origin for stretch in analysed for edge in stretch], np.float64)
    lengths = np.array([end - start for start, end in analysed], np.float64)
    # analysed time before each edge: it grows within a stretch and stands still between two
    before = np.repeat(np.concatenate([[0.0], np.cumsum(lengths)]), 2)[1:-1]
    inside = np.interp(ends - origin, edges, before) - np.interp(starts - origin, edges, before)
    return float(inside.sum()) / whole
