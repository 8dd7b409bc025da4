"""What the detector found and nothing has contradicted since: objects that stand still are verified at intervals.

Where the picture is as it was when an object was found, the object is still there; asking a detector five times a
second would only cost. An object is asked about again when its cells change, and at the latest after an interval that
grows while it is confirmed unmoved. Where to look is `detect.regions`.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from custodes.errors import DataLoss
from custodes.geometry.boxes import Boxes, empty_boxes, intersections, iou_matrix
from custodes.types.vision import Detections, ObjectClass, are_vehicles
from custodes.units import NS_PER_S, Ns

FIRST_NS = NS_PER_S
"""A new finding is verified after this."""

LONGEST_VEHICLE_NS = 10 * NS_PER_S
LONGEST_OTHER_NS = 2 * NS_PER_S
"""A parked car stays for hours; somebody who stands may turn, crouch, or be two. A confirmed interval doubles."""

OVERDUE = 3
"""So many of the longest intervals after it was last found, an object is given up by any look that misses it."""

WORTH_SCORE = 0.25
"""What a person is masked from (`TrackerConfig.lone_score`)."""

SAME_IOU = 0.7
"""A finding that overlaps an earlier one so much has not moved."""

DOUBLE_IOU = 0.5
INSIDE_SHARE = 0.75
"""Of two findings of one kind, the one whose area lies so far inside the other is the same object, cut by the edge of
a region or found a second time in another."""

_HELD_INSIDE = 0.7
"""A region examined an object when it held this share of its box."""

FINDINGS_MAX = 512
"""As many as the tracker holds tracks; the best are kept."""


class Standing:
    """All objects of one camera as last found. Not thread-safe."""

    def __init__(self) -> None:
        self._empty()

    def _empty(self) -> None:
        self.boxes_px: Boxes = empty_boxes()
        """(n, 4) float32 in pixels of the frame."""
        self._scores = np.zeros(0, np.float32)
        self._class_ids = np.zeros(0, np.int16)
        self._verified_ns = np.zeros(0, np.int64)
        self._interval_ns = np.zeros(0, np.int64)

    @property
    def detections(self) -> Detections:
        """What is there now, as a detector would say it."""
        return Detections(boxes_px=self.boxes_px, scores=self._scores, class_ids=self._class_ids)

    def is_new(self, utc_ns: Ns) -> npt.NDArray[np.bool_]:
        """(n,): which of `detections` were found at that time."""
        return np.asarray(self._verified_ns == utc_ns, np.bool_)

    def known(self, utc_ns: Ns) -> tuple[Boxes, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """(n, 4): findings worth verifying; (n,): which of them are people; (n,): which are to be verified now.

        Weaker ones hold as long as nothing changes there and no look at the place finds otherwise.
        """
        is_worth = self._scores >= WORTH_SCORE
        is_due = self._verified_ns[is_worth] + self._interval_ns[is_worth] <= utc_ns
        is_person = self._class_ids[is_worth] == ObjectClass.PERSON
        return self.boxes_px[is_worth], is_person, np.asarray(is_due, np.bool_)

    def doubt(self, rows: npt.NDArray[np.bool_]) -> None:
        """The picture changed where these of the known findings were: any look that misses them says they are gone."""
        self._verified_ns[np.flatnonzero(self._scores >= WORTH_SCORE)[rows]] = 0

    def clear(self) -> None:
        """Nothing is known any more."""
        self._empty()

    def update(
        self,
        found: Sequence[Detections],
        looked_px: Boxes,
        utc_ns: Ns,
        *,
        least_px: npt.NDArray[np.float32],
    ) -> None:
        """Take what was found in the regions examined at `utc_ns`.

        Args: found: per region, in pixels of the frame. looked_px: (m, 4) the regions; least_px: (m,) height of the
        smallest object a region's scale could show: what is smaller stays as it was.
        An earlier finding inside a region is replaced; one outside stays.
        """
        keep = np.zeros(0, np.intp)
        if len(self.boxes_px):
            is_replaced = _share_inside(self.boxes_px, looked_px) >= _HELD_INSIDE
            height = self.boxes_px[:, 3] - self.boxes_px[:, 1]
            # Whom no look showed large enough for long is not believed in for ever; weak findings are not protected.
            is_overdue = utc_ns - self._verified_ns > OVERDUE * _longest(self._class_ids)
            is_overdue |= self._scores < WORTH_SCORE
            is_replaced &= (height[:, None] >= least_px[None, :]) | is_overdue[:, None]
            keep = np.flatnonzero(~is_replaced.any(axis=1))
        boxes = np.concatenate([*(item.boxes_px for item in found), self.boxes_px[keep]])
        scores = np.concatenate([*(item.scores for item in found), self._scores[keep]])
        class_ids = np.concatenate([*(item.class_ids for item in found), self._class_ids[keep]])
        origins = np.repeat(np.arange(len(found) + 1), [*(len(item.scores) for item in found), len(keep)])
        fresh = len(scores) - len(keep)
        verified = np.concatenate([np.full(fresh, utc_ns, np.int64), self._verified_ns[keep]])
        interval = np.concatenate([self._intervals(boxes[:fresh], class_ids[:fresh]), self._interval_ns[keep]])
        kept = _without_doubles(boxes, scores, class_ids, origins)[:FINDINGS_MAX]
        self.boxes_px, self._scores, self._class_ids = boxes[kept], scores[kept], class_ids[kept]
        self._verified_ns, self._interval_ns = verified[kept], interval[kept]

    def _intervals(self, boxes: Boxes, class_ids: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
        """How long each new finding is believed: twice as long as before where an earlier one has not moved."""
        interval = np.full(len(boxes), FIRST_NS, np.int64)
        if len(boxes) and len(self.boxes_px):
            overlap = iou_matrix(boxes, self.boxes_px)
            before = overlap.argmax(axis=1)
            is_same = overlap[np.arange(len(before)), before] >= SAME_IOU
            interval[is_same] = 2 * self._interval_ns[before[is_same]]
        return np.minimum(interval, _longest(class_ids))

    def snapshot(self) -> tuple[bytes, bytes, bytes, bytes, bytes]:
        """All columns."""
        columns = (self.boxes_px, self._scores, self._class_ids, self._verified_ns, self._interval_ns)
        boxes, scores, class_ids, verified, interval = (column.tobytes() for column in columns)
        return boxes, scores, class_ids, verified, interval

    def restore(self, state: tuple[bytes, bytes, bytes, bytes, bytes]) -> None:
        """Go on as what wrote `state`. Raises: DataLoss."""
        try:
            boxes = np.frombuffer(state[0], np.float32).reshape(-1, 4).copy()
            scores = np.frombuffer(state[1], np.float32).copy()
            class_ids = np.frombuffer(state[2], np.int16).copy()
            verified, interval = (np.frombuffer(column, np.int64).copy() for column in state[3:])
        except ValueError as error:
            raise DataLoss(f"snapshot of standing objects cannot be read: {error}") from error
        if len({len(boxes), len(scores), len(class_ids), len(verified), len(interval)}) != 1:
            raise DataLoss("snapshot of standing objects has columns of different lengths")
        self.boxes_px, self._scores, self._class_ids = boxes, scores, class_ids
        self._verified_ns, self._interval_ns = verified, interval


def _longest(class_ids: npt.NDArray[np.int16]) -> npt.NDArray[np.int64]:
    return np.where(are_vehicles(class_ids), LONGEST_VEHICLE_NS, LONGEST_OTHER_NS).astype(np.int64)


def _areas(boxes: Boxes) -> npt.NDArray[np.float32]:
    return np.asarray(np.maximum((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), 1e-6), np.float32)


def _share_inside(boxes: Boxes, regions: Boxes) -> npt.NDArray[np.float32]:
    """(n, m): share of each box's area that lies in each region."""
    return np.asarray(intersections(boxes, regions) / _areas(boxes)[:, None], np.float32)


def _without_doubles(
    boxes: Boxes, scores: npt.NDArray[np.float32], class_ids: npt.NDArray[np.int16], origins: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Rows to keep, best first. Of two of one kind and different origin, the weaker goes if it overlaps or lies inside
    the better one; those of one region were suppressed by their detector, and one person may stand before another."""
    order = np.argsort(-scores, kind="stable")
    if len(order) < 2 or origins[0] == origins[-1]:
        return order
    boxes, origins, is_vehicle = boxes[order], origins[order], are_vehicles(class_ids[order])
    kind = np.where(is_vehicle, -1, class_ids[order])
    common = intersections(boxes, boxes)
    areas = _areas(boxes)
    union = areas[:, None] + areas[None, :] - common
    is_double = (common > DOUBLE_IOU * union) | (common > INSIDE_SHARE * areas[None, :])
    is_double &= (kind[:, None] == kind[None, :]) & (origins[:, None] != origins[None, :])
    is_alive = np.ones(len(order), bool)
    for row in range(len(order)):
        if is_alive[row]:
            is_alive[row + 1 :] &= ~is_double[row, row + 1 :]
    return order[is_alive]
