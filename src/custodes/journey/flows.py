"""An hour's tracks as a flow: how many went from camera to camera, how many were where, for how long. No number leaves
that is about fewer than `min_group` objects.

Against subtraction: hours and groups are one fixed partition, every hour is made once, no total holds what a cell
holds back, and what is released is rounded, so that no other count (a camera's own, a line's) can be set off against
it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from custodes.journey.resolve import KEPT, numbers, resolve
from custodes.journey.times import time_bands
from custodes.journey.tracklets import Tracklets
from custodes.journey.transit import BIN_S
from custodes.types.flow import HEAT_COLUMNS, HEAT_ROWS, FlowCell, FlowGroup, FlowHour, PlaceFigures, QueueFigures
from custodes.types.vision import Tracklet
from custodes.units import NS_PER_S, CameraId, Ns

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

ROUND_TO = 5
LEAST_GROUP = 10
"""No site may set fewer."""
_DWELL_STEP_S = 5.0
_MOVED = 0.08
"""Who moved less, in shares of the frame, left in no direction."""


def flow_hour(
    *,
    start_ns: Ns,
    end_ns: Ns,
    group: FlowGroup,
    min_group: int,
    cameras: Sequence[CameraId],
    tracks: Sequence[Tracklet],
    coverage: Mapping[CameraId, float],
    stood: Mapping[CameraId, Rows],
    queues: Sequence[QueueFigures] = (),
) -> FlowHour:
    """All figures of an hour.

    Args: tracks: of one group, of these cameras, that began in the hour; coverage: analysed share of the hour; stood:
    of each camera (cells,) how many different tracks stood in each cell of the picture; queues: of `waiting`.
    """
    assert min_group >= LEAST_GROUP, f"groups of {min_group}; at least {LEAST_GROUP}"
    cells = _cells(cameras, tracks, min_group, coverage)
    places = tuple(
        _place(
            camera_id,
            [one for one in tracks if one.camera_id == camera_id],
            (start_ns, end_ns),
            min_group,
            coverage.get(camera_id, 0.0),
            stood.get(camera_id),
        )
        for camera_id in cameras
        if coverage.get(camera_id, 0.0) > 0
    )
    return FlowHour(
        camera_id=CameraId(""),
        start_ns=start_ns,
        end_ns=end_ns,
        group=group,
        min_group=min_group,
        cells=cells,
        places=places,
        queues=tuple(queues),
    )


def released(count: float, min_group: int) -> int:
    """What may be told of a count: rounded to five, or 0 for too few."""
    if count < min_group:
        return 0
    return max(ROUND_TO * round(count / ROUND_TO), min_group)


def tracklets_of(tracks: Sequence[Tracklet], cameras: Sequence[CameraId]) -> Tracklets:
    """By start. The way is that which the track left its picture: left, right, up, down, or none."""
    number = {camera_id: index for index, camera_id in enumerate(cameras)}
    ordered = sorted(tracks, key=lambda one: (one.start_ns, one.camera_id, one.track_id))
    origin_ns = ordered[0].start_ns if ordered else 0
    return Tracklets(
        camera=np.array([number[one.camera_id] for one in ordered], np.int64),
        way=np.array([_way(one) for one in ordered], np.int64),
        start_s=np.array([(one.start_ns - origin_ns) / NS_PER_S for one in ordered], np.float64),
        end_s=np.array([(one.end_ns - origin_ns) / NS_PER_S for one in ordered], np.float64),
        looks=np.full((len(ordered), 1), np.nan),
    )


def _way(track: Tracklet) -> int:
    first, last = track.first_box_norm, track.last_box_norm
    across = (last[0] + last[2] - first[0] - first[2]) / 2
    down = last[3] - first[3]
    if max(abs(across), abs(down)) < _MOVED:
        return 0
    if abs(across) >= abs(down):
        return 1 if across < 0 else 2
    return 3 if down < 0 else 4


def _cells(
    cameras: Sequence[CameraId], tracks: Sequence[Tracklet], min_group: int, coverage: Mapping[CameraId, float]
) -> tuple[FlowCell, ...]:
    tracklets = tracklets_of(tracks, cameras)
    # An object that is not known again would count twice in a cell: here a link too few does more harm.
    found = resolve(tracklets, least=KEPT)
    if not len(found.pairs.first):
        return ()
    whole = numbers(len(tracklets), found.first, found.second)
    first, second = tracklets.camera[found.pairs.first], tracklets.camera[found.pairs.second]
    count = len(cameras)
    pair = first * count + second
    # One object that goes to and fro counts once in a cell: a cell is about objects, not about ways.
    keys, index = np.unique(np.stack([pair, whole[found.pairs.first]]), axis=1, return_inverse=True)
    once = np.minimum(np.bincount(index.ravel(), found.chance), 1.0)
    objects = np.bincount(keys[0], once, count * count)
    cells = []
    for flat in np.flatnonzero(objects >= min_group).tolist():
        one, other = divmod(flat, count)
        if one != other:
            cells.append(
                FlowCell(
                    from_camera=cameras[one],
                    to_camera=cameras[other],
                    count=released(float(objects[flat]), min_group),
                    median_s=_DWELL_STEP_S * round(found.model.median_s(one, other) / _DWELL_STEP_S),
                    coverage=round(min(coverage.get(cameras[one], 0.0), coverage.get(cameras[other], 0.0)), 3),
                    times=time_bands(
                        found.model.times[one, other], BIN_S, float(objects[flat]), min_group, round_to=ROUND_TO
                    ),
                )
            )
    return tuple(cells)


def _place(
    camera_id: CameraId,
    tracks: Sequence[Tracklet],
    span_ns: tuple[int, int],
    min_group: int,
    coverage: float,
    stood: Rows | None,
) -> PlaceFigures:
    is_enough = len(tracks) >= min_group
    heat = () if stood is None else tuple(released(int(one), min_group) for one in stood)
    mean, peak, median, p90 = None, None, None, None
    if is_enough:
        starts = np.array([max(one.start_ns, span_ns[0]) for one in tracks])
        ends = np.array([min(one.end_ns, span_ns[1]) for one in tracks])
        mean = round(float((ends - starts).sum()) / (span_ns[1] - span_ns[0]) / coverage, 1)
        steps = np.concatenate([np.ones(len(starts)), -np.ones(len(ends))])
        times = np.concatenate([starts, ends])
        peak = int(np.cumsum(steps[np.lexsort((steps, times))]).max())
        dwell = np.array([(one.end_ns - one.start_ns) / NS_PER_S for one in tracks])
        median, p90 = (_DWELL_STEP_S * round(float(np.percentile(dwell, share)) / _DWELL_STEP_S) for share in (50, 90))
    return PlaceFigures(
        camera_id=camera_id,
        coverage=round(coverage, 3),
        mean_present=mean,
        peak_present=peak,
        dwell_median_s=median,
        dwell_p90_s=p90,
        heat=heat if any(heat) else (),
    )


def heat_cells(feet: Floats) -> Rows:
    """(n,) the cell that each foot (n, 2), shares of the frame, stands in."""
    column = np.clip((feet[:, 0] * HEAT_COLUMNS).astype(np.int64), 0, HEAT_COLUMNS - 1)
    row = np.clip((feet[:, 1] * HEAT_ROWS).astype(np.int64), 0, HEAT_ROWS - 1)
    result: Rows = row * HEAT_COLUMNS + column
    return result


def stood_in(track_ids: Rows, feet: Floats) -> Rows:
    """(cells,) how many different tracks stood in each cell. Args: track_ids (n,), feet (n, 2), one a look."""
    if not len(track_ids):
        return np.zeros(HEAT_COLUMNS * HEAT_ROWS, np.int64)
    pairs = np.unique(np.stack([heat_cells(feet), track_ids]), axis=1)
    return np.bincount(pairs[0], minlength=HEAT_COLUMNS * HEAT_ROWS)
