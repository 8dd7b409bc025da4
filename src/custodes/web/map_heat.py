"""Where people stood, on the ground instead of in pictures: cells of the released hours, laid on their floor."""

import numpy as np

from custodes.errors import InvalidArgument
from custodes.geometry.homography import Homography, homography_from_points
from custodes.types.access import CameraScope
from custodes.types.flow import HEAT_COLUMNS, HEAT_ROWS, FlowGroup, FlowHour
from custodes.types.message import CameraSpec
from custodes.units import CameraId

MAX_CELL_M = 6.0
"""Cells near the horizon are tens of metres long and say nothing of a place."""


def ground_of(spec: CameraSpec) -> Homography | None:
    """None where no ground is measured."""
    points = spec.scene.ground
    try:
        return homography_from_points([one.at for one in points], [one.place_m for one in points]) if points else None
    except InvalidArgument:
        return None


def heat_cells(
    specs: list[CameraSpec], hours: list[FlowHour], group: FlowGroup, scope: CameraScope
) -> list[dict[str, object]]:
    """Corners in metres and count of each cell, by floor.

    Counts are sums of what each hour released, none of which is about fewer than its minimum group; hours are one
    fixed partition, so a sum tells nothing that the hours do not.
    """
    sums: dict[CameraId, np.ndarray] = {}
    for hour in hours:
        for place in hour.places if hour.group is group else ():
            if place.heat and scope.covers(place.camera_id):
                before = sums.get(place.camera_id, np.zeros(HEAT_COLUMNS * HEAT_ROWS, np.int64))
                sums[place.camera_id] = before + np.array(place.heat)
    cells: list[dict[str, object]] = []
    for spec in specs:
        ground = ground_of(spec) if spec.camera_id in sums and spec.scene.floor else None
        if ground is not None:
            cells += _laid(spec, ground, sums[spec.camera_id])
    return cells


def _laid(spec: CameraSpec, ground: Homography, counts: np.ndarray) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for index in np.flatnonzero(counts).tolist():
        row, column = divmod(index, HEAT_COLUMNS)
        left, right = column / HEAT_COLUMNS, (column + 1) / HEAT_COLUMNS
        top, bottom = row / HEAT_ROWS, (row + 1) / HEAT_ROWS
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        if (ground.nearer(corners) != corners).any():
            continue  # beyond what the ground tells
        places = ground.ground_of(corners)
        if np.ptp(places, axis=0).max() <= MAX_CELL_M:
            found.append(
                {
                    "floor": spec.scene.floor,
                    "camera_id": spec.camera_id,
                    "corners_m": [[round(x, 2), round(y, 2)] for x, y in places.tolist()],
                    "count": int(counts[index]),
                }
            )
    return found
