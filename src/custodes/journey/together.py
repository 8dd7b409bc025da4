"""Who was seen with whom: tracks of several cameras that stood on one ground at one time. Of one short stretch."""

from collections.abc import Mapping, Sequence

import numpy as np

from custodes.geometry.homography import Homography
from custodes.journey.fusion import Fusion, Placed, TrackKey
from custodes.journey.sighting import placed_of
from custodes.types.event import FrameAnalysed
from custodes.units import NS_PER_S, CameraId, Ns

STEP_NS = NS_PER_S // 5
LEAST_STEPS = 5
"""A second in which both are seen."""
PATH_EVERY_NS = NS_PER_S


def placed_in(
    frames: Mapping[CameraId, Sequence[FrameAnalysed]], grounds: Mapping[CameraId, Homography]
) -> list[tuple[int, Placed]]:
    """All measurements of cameras whose ground is known, by time."""
    found = [
        (fact.frame.utc_ns, one)
        for camera_id, facts in frames.items()
        if camera_id in grounds
        for fact in facts
        for one in placed_of(fact.frame, grounds[camera_id])
    ]
    return sorted(found, key=lambda one: one[0])


def company(placed: Sequence[tuple[int, Placed]], key: TrackKey) -> dict[TrackKey, float]:
    """Tracks of other cameras that were one dot with `key`, and in which share of the moments that showed both.

    Args: placed: all that cameras of one floor measured, by time. Shares are pulled towards a half by two moments.
    """
    steps: dict[int, dict[TrackKey, Placed]] = {}
    for utc_ns, one in placed:
        steps.setdefault(utc_ns // STEP_NS, {})[one.key] = one
    fusion, both, same = Fusion(), dict[TrackKey, int](), dict[TrackKey, int]()
    for step in sorted(steps):
        dots = fusion.step(step * STEP_NS, list(steps[step].values()))
        mine = next((dot for dot in dots if key in dot.tracks), None)
        if mine is None:
            continue
        for other in steps[step]:
            if other[0] != key[0]:
                both[other] = both.get(other, 0) + 1
                same[other] = same.get(other, 0) + (other in mine.tracks)
    return {other: (same[other] + 1) / (both[other] + 2) for other in both if both[other] >= LEAST_STEPS}


def path(placed: Sequence[tuple[int, Placed]], key: TrackKey) -> tuple[tuple[Ns, float, float], ...]:
    """Where a track walked: moment, x and y in metres, means of a second."""
    seconds: dict[int, list[Placed]] = {}
    for utc_ns, one in placed:
        if one.key == key:
            seconds.setdefault(utc_ns // PATH_EVERY_NS, []).append(one)
    points = []
    for second, some in sorted(seconds.items()):
        x_m, y_m = np.mean([one.place_m for one in some], axis=0).tolist()
        points.append((Ns(second * PATH_EVERY_NS), round(x_m, 2), round(y_m, 2)))
    return tuple(points)
