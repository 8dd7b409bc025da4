"""How long the way from one camera to another takes, as bands that each hold the minimum group.

A histogram with fixed bins tells of single people at its edges: whoever ran is alone in the first bin. So bins are
joined, from the shortest on, until each band holds a group; the first begins at nothing and the last has no end.
"""

import numpy as np
import numpy.typing as npt

from custodes.types.flow import TimeBand

Floats = npt.NDArray[np.float64]

BAND_S = 10.0
"""No band is narrower."""


def bands(times: Floats, bin_s: float, count: float, min_group: int) -> tuple[tuple[float, float | None, float], ...]:
    """From, to (None: no end) and how many, of each band; together `count`. Empty for fewer than a group.

    Args: times: (bins,) soft transits by duration; count: of how many objects they are.
    """
    total = float(times.sum())
    if count < min_group or total <= 0:
        return ()
    ends = (np.arange(len(times)) + 1) * bin_s
    edges = np.arange(0.0, ends[-1], BAND_S)
    below = np.interp(edges, np.concatenate([[0.0], ends]), np.concatenate([[0.0], np.cumsum(times)])) / total * count
    found: list[tuple[float, float | None, float]] = []
    start_s, before = 0.0, 0.0
    for edge, reached in zip(edges[1:].tolist(), below[1:].tolist(), strict=True):
        # What is left has to be a group, too, or it would be told by subtraction.
        if reached - before >= min_group and count - reached >= min_group:
            found.append((start_s, edge, reached - before))
            start_s, before = edge, reached
    return (*found, (start_s, None, count - before))


def time_bands(times: Floats, bin_s: float, count: float, min_group: int, *, round_to: int) -> tuple[TimeBand, ...]:
    """As they are told: counts rounded, never below the group."""
    return tuple(
        TimeBand(from_s=from_s, to_s=to_s, count=max(round_to * round(held / round_to), min_group))
        for from_s, to_s, held in bands(times, bin_s, count, min_group)
    )
