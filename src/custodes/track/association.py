"""Which detection continues which track: likelihood of each pair, one-to-one assignment. Knows no births or ends.

A pair's cost is the negative logarithm of how much likelier it is that the track made the detection than that
something new did. The covariance's determinant belongs to it (Yi et al. 2023, *UCMCTrack*): without it, a track about
which nothing is known is at home everywhere. Strong and weak detections in two stages are ByteTrack's (Zhang et al.
2022), overlap of enlarged boxes is C-BIoU's (Yang et al. 2023).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from custodes.geometry.boxes import intersections, iou_matrix, share_of_smaller
from custodes.track.kalman import Columns, Rows, Surprise

Flags = npt.NDArray[np.bool_]

DOUBLE_SHARE = 0.3
"""Doubles lie on what they are doubles of; neighbours in a crowd do, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What makes a pair likely. Weights below 1 stand for evidence that is not independent of the rest."""

    gate: float = 18.0
    """Squared Mahalanobis distance on the plane beyond which no pair is thought of (chi-square with 2 degrees of
    freedom: 99.99 %; boxes of hidden people have heavier tails than that)."""
    limit: float = 4.5
    """Logarithm of how densely new things appear, per square yardstick."""
    size_weight: float = 0.7
    overlap_weight: float = 2.0
    """Neighbours' predictions err together (a camera that shakes, a crowd that slows), so overlap decides beside
    distance."""
    least_overlap: float = 0.02
    buffer: float = 0.28
    """Boxes are enlarged by this share of their sides before they are overlapped: at a low rate the boxes of one
    walker need not touch."""
    unseen_per_s: float = 0.8
    """A track out of sight for long is less likely the one that was seen than one that was there just now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """What cosine similarity of two appearance vectors is evidence of. Defaults: person-reidentification-retail-0287
    on TUD crops (same person .58, others .15)."""

    same: float = 0.58
    other: float = 0.15
    spread: float = 0.15
    most: float = 6.0
    """Bound of the evidence, natural logarithm: a look-alike does not overrule where somebody can be."""

    def cost(self, cosine: Columns) -> Columns:
        """(n, m) to add to the cost of a pair; NaN (no vector on one side) is no evidence."""
        slope = (self.same - self.other) / self.spread**2
        evidence = np.clip(slope * (cosine - (self.same + self.other) / 2), -self.most, self.most)
        return -np.nan_to_num(evidence, nan=0.0)


def pair_costs(
    fit: Fit, surprise: Surprise, areas: Columns, boxes: Columns, found: Columns, unseen_s: Columns, is_known: Flags
) -> tuple[Columns, Columns]:
    """Cost of each pair (n, m), negative where it is likelier than "something new", +inf where impossible; and the
    plain overlap of predicted and found box.

    Args: areas: (n,) square plane units in which `fit.limit` counts; boxes: (n, 4) predicted; found: (m, 4);
    unseen_s: (n,); is_known: (n, m) whether both sides' looks are known: such a pair need not overlap.
    """
    plain = iou_matrix(boxes, found).astype(np.float64)
    overlap = iou_matrix(_enlarged(boxes, fit.buffer), _enlarged(found, fit.buffer))
    cost = 0.5 * (surprise.squared + surprise.volume) - np.log(areas)[:, None]
    cost += 0.5 * fit.size_weight * (surprise.size_squared + surprise.size_volume)
    cost += fit.overlap_weight * (1 - overlap) + fit.unseen_per_s * unseen_s[:, None] - fit.limit
    is_possible = (surprise.squared <= fit.gate) & ((overlap >= fit.least_overlap) | is_known)
    return np.where(is_possible, cost, np.inf), plain


def assign_in_stages(stages: list[tuple[Flags, Flags, Columns]]) -> tuple[Rows, Rows]:
    """Pairs of track rows and detection columns. A later stage gets what the earlier ones left.

    Args: stages: which tracks (n,), which detections (m,), and the cost of all pairs (n, m).
    """
    free_rows, free_columns = np.ones(len(stages[0][0]), bool), np.ones(len(stages[0][1]), bool)
    rows, columns = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for tracks, found, cost in stages:
        # Masks of what is still free: set operations on indices took half of a step.
        (left,), (right,) = (tracks & free_rows).nonzero(), (found & free_columns).nonzero()
        if len(left) and len(right):
            a, b = assign(cost[left[:, None], right])
            rows.append(left[a])
            columns.append(right[b])
            free_rows[left[a]] = False
            free_columns[right[b]] = False
            if not free_columns.any():
                break
    return np.concatenate(rows), np.concatenate(columns)


def assign(cost: Columns) -> tuple[Rows, Rows]:
    """One-to-one pairs of least total cost. A pair whose cost is not negative stays apart: nothing is assigned because
    nothing else is left."""
    useful = np.minimum(cost, 0.0)
    rows, columns = linear_sum_assignment(useful)
    keep = useful[rows, columns] < 0
    return rows[keep].astype(np.int64), columns[keep].astype(np.int64)


def only_pairs(is_possible: Flags) -> Flags:
    """(n, m) pairs of a track and a detection of which neither has another possible partner."""
    alone: Flags = (is_possible.sum(axis=1, keepdims=True) == 1) & (is_possible.sum(axis=0) == 1)
    return is_possible & alone


def _enlarged(boxes: Columns, share: float) -> Columns:
    buffer = share * (boxes[:, 2:] - boxes[:, :2])
    return np.concatenate([boxes[:, :2] - buffer, boxes[:, 2:] + buffer], axis=1)


def is_beside(boxes: Columns, strong: Columns) -> Flags:
    """(m,) whether a box shares `DOUBLE_SHARE` of the smaller one's area with a strong one.

    Args: boxes: (m, 4); strong: (k, 4)."""
    result: Flags = np.any(share_of_smaller(boxes, strong) >= DOUBLE_SHARE, axis=1)
    return result


def covered_share(boxes: Columns, is_measured: Flags) -> Columns:
    """How much of each box the measured box that stands most in front of it covers.

    Args: boxes: (n, 4) shares of the frame; the one whose foot is lower is nearer to the camera. Returns: (n,) 0 to 1.
    """
    if not is_measured.any():
        return np.zeros(len(boxes))
    front = boxes[is_measured]
    own = np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1e-12)
    is_nearer = front[None, :, 3] >= boxes[:, None, 3] - 0.01
    result: Columns = np.where(is_nearer, intersections(boxes, front) / own[:, None], 0.0).max(axis=1)
    return result
