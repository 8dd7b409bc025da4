"""What people said about a camera's picture, applied to its tracks: the ground plane, and who crosses which line."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from custodes.geometry.boxes import share_of_smaller
from custodes.geometry.homography import Homography, homography_from_points
from custodes.geometry.lines import FORGET_NS, LineCounter, LineCrossing, SideRow
from custodes.pipeline.broken_paths import BrokenPaths, PathState
from custodes.pipeline.path_points import PathPoint
from custodes.pipeline.taken_numbers import Trail
from custodes.track.tracker import TrackColumns
from custodes.types.event import LineCrossed
from custodes.types.scene import CameraScene
from custodes.types.vision import ObjectClass, are_vehicles
from custodes.units import NS_PER_MS, CameraId, Ns, RunId


def ground_of(scene: CameraScene) -> Homography | None:
    """The camera's ground plane; None where no points are given. Raises: InvalidArgument if they fix no plane."""
    if not scene.ground:
        return None
    return homography_from_points([point.at for point in scene.ground], [point.place_m for point in scene.ground])


CrossingState = tuple[list[SideRow], list[tuple[int, int, bool, int]], PathState]
"""Sides of the lines; track, class, whether it is confirmed, time last seen; paths of people."""

SAME_VEHICLE_SHARE = 0.6
"""Of the smaller box, as in `detect.boxes.PART_SHARE`."""

_EDGE = 0.004
"""A box that ends this close to a side of the frame, as a share of the frame, goes on behind it."""

_HAND_OVER_NS = 450 * NS_PER_MS
"""Two looks at the usual rate: what was lost for longer may be another one's place by now."""


class Crossings:
    """Lines of one camera over one run. A track counts where its foot is: the middle of its box's lower edge."""

    def __init__(self, camera_id: CameraId, run: RunId, scene: CameraScene) -> None:
        self._camera_id = camera_id
        self._run = run
        self._has_lines = bool(scene.lines)
        self._counter = LineCounter(scene.lines)
        self._paths = BrokenPaths()
        self._known: dict[int, tuple[ObjectClass, bool, int]] = {}
        """Of each track: its class, whether it is confirmed, when it was last seen."""

    def take(self, columns: TrackColumns, utc_ns: Ns, aspect: float) -> Sequence[LineCrossed]:
        """Who crossed up to this frame. Only measured places count: a prediction crosses lines that nobody crossed."""
        if not self._has_lines:
            return []
        rows = np.flatnonzero(columns.is_measured & (columns.track_ids >= 0))
        boxes = columns.boxes_norm[rows].astype(np.float64)
        sizes = np.sqrt((boxes[:, 2] - boxes[:, 0]) * aspect * (boxes[:, 3] - boxes[:, 1]))
        self._hand_over(columns, rows, utc_ns)
        for row in rows.tolist():
            whose = ObjectClass(int(columns.class_ids[row])), bool(columns.is_confirmed[row]), utc_ns
            self._known[int(columns.track_ids[row])] = whose
        feet, ids = columns.feet_norm[rows], columns.track_ids[rows]
        lefts = _lefts(feet, boxes)
        is_person = columns.class_ids[rows] == int(ObjectClass.PERSON)
        points = [
            (track_id, PathPoint(utc_ns=utc_ns, at=(at[0], at[1]), size=size, left=(left[0], left[1]), is_cut=is_cut),
             self._known[track_id][1])
            for track_id, at, size, left, is_cut in zip(
                ids[is_person].tolist(), feet[is_person].tolist(), sizes[is_person].tolist(),
                lefts[is_person].tolist(), _are_cut(boxes[is_person]).tolist(), strict=True)
        ]  # fmt: skip
        # Who is not believed yet is counted with their whole path, once they are.
        is_due = np.array([not person or self._paths.is_believed(one)
                           for one, person in zip(ids.tolist(), is_person.tolist(), strict=True)], bool)  # fmt: skip
        crossings = []
        for one in self._paths.take(points, utc_ns, aspect):
            if one.before is not None:
                self._counter.hand_over(one.before, one.track_id)
            self._follow(one.track_id, one.past, aspect)  # what was crossed then was told under the other number
            crossings += self._follow(one.track_id, one.path, aspect)
        crossings += self._counter.step(ids[is_due], feet[is_due], sizes[is_due], utc_ns, aspect, lefts=lefts[is_due])
        crossed = self._told(crossings)
        self._known = {one: known for one, known in self._known.items() if utc_ns - known[2] <= FORGET_NS}
        return crossed

    def _follow(self, track_id: int, path: Trail, aspect: float) -> list[LineCrossing]:
        if not path:
            return []
        return self._counter.follow(
            np.full(len(path), track_id, np.int64),
            np.array([point.at for point in path]),
            np.array([point.size for point in path]),
            np.array([point.utc_ns for point in path], np.int64),
            aspect,
            np.array([point.left for point in path]),
        )

    def finish(self) -> Sequence[LineCrossed]:
        """The run is over: who was last seen just over a line has crossed it."""
        return self._told(self._counter.finish())

    def _told(self, crossings: Sequence[LineCrossing]) -> list[LineCrossed]:
        return [
            LineCrossed(
                camera_id=self._camera_id,
                run=self._run,
                line=crossing.line,
                track_id=crossing.track_id,
                object_class=self._known[crossing.track_id][0],
                utc_ns=Ns(crossing.utc_ns),
                is_forward=crossing.is_forward,
            )
            for crossing in crossings
            if crossing.track_id in self._known and self._known[crossing.track_id][1]
        ]

    def _hand_over(self, columns: TrackColumns, measured: npt.NDArray[np.intp], utc_ns: Ns) -> None:
        """A vehicle that begins upon one just lost is that one: a lorry whose cabin alone was found before."""
        is_vehicle = are_vehicles(columns.class_ids) & (columns.track_ids >= 0)
        ids = columns.track_ids.tolist()
        new = [row for row in measured.tolist() if is_vehicle[row] and self._counter.seen_ns(ids[row]) is None]
        if not new:
            return
        lost = [
            row
            for row in np.flatnonzero(is_vehicle & ~columns.is_measured).tolist()
            if utc_ns - (self._counter.seen_ns(ids[row]) or 0) <= _HAND_OVER_NS
        ]
        if not lost:
            return
        shares = share_of_smaller(columns.boxes_norm[new], columns.boxes_norm[lost])
        for row, share in zip(new, shares, strict=True):
            best = int(share.argmax())
            if share[best] >= SAME_VEHICLE_SHARE:
                self._counter.hand_over(ids[lost[best]], ids[row])

    def state(self) -> CrossingState:
        """All state, for `restore`."""
        known = [(one, int(what), is_sure, seen_ns) for one, (what, is_sure, seen_ns) in self._known.items()]
        return self._counter.state(), known, self._paths.state()

    def restore(self, state: CrossingState) -> None:
        """Go on from `state`; lines that are no longer there are left out."""
        sides, known, paths = state
        self._counter.restore(sides)
        self._paths.restore(paths)
        self._known = {one: (ObjectClass(what), is_sure, seen_ns) for one, what, is_sure, seen_ns in known}


def _lefts(feet: npt.NDArray[np.float64], boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(n, 2) where each has gone if it is not seen again: out by the side of the frame that cuts its box."""
    lefts = feet.copy()
    lefts[boxes[:, 0] <= _EDGE, 0] = 0.0
    lefts[boxes[:, 2] >= 1 - _EDGE, 0] = 1.0
    return lefts


def _are_cut(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """(n,) whether any side of the frame cuts the box."""
    result: npt.NDArray[np.bool_] = np.any((boxes[:, :2] <= _EDGE) | (boxes[:, 2:] >= 1 - _EDGE), axis=1)
    return result
