"""UCLA CAMPUS "auditorium": four views' ground truth with ids shared across views, and a ground for each view.

Two views have calibrations of their own (`cam_param.mat`); the other two, which see another part of the place, get
theirs from how tall people are in them and from places on the ground that both see.
"""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.io

from custodes.geometry.homography import Homography, homography_from_points
from eval.pinhole import Pinhole

Floats = npt.NDArray[np.float64]
VIEWS = ("HC3", "HC4", "IP2", "IP5")
SIZE = (1920, 1080)
FPS = 30
PERSON_M = 1.7
FOCAL_PX = 1500.0
"""Of IP5, which nobody wrote down; a wrong one stretches the ground in one direction and changes no binding."""


@dataclass(frozen=True)
class View:
    """`rows`: (n, 8) frame, person, x1 y1 x2 y2 in shares, occluded; by frame."""

    name: str
    rows: Floats


def load(folder: Path) -> dict[str, View]:
    """All views; rows of people outside of the picture are left out."""
    views = {}
    for name in VIEWS:
        with gzip.open(folder / f"auditorium-view-{name}.gt.txt.gz", "rt") as file:
            table = np.array([[float(cell) for cell in line.split()[:9]] for line in file if '"PERSON"' in line])
        table = table[table[:, 6] == 0]
        boxes = table[:, 1:5] / np.tile(SIZE, 2)
        rows = np.column_stack([table[:, 5], table[:, 0], boxes, table[:, 7]])
        views[name] = View(name, rows[np.argsort(rows[:, 0], kind="stable")])
    return views


def own_grounds(folder: Path) -> dict[str, Homography]:
    """Of the two calibrated views, in the README's convention."""
    grounds = {}
    for camera in scipy.io.loadmat(folder / "cam_param.mat", struct_as_record=False, squeeze_me=True)["cam_param"]:
        projection = camera.K @ camera.R
        # p solves [A1 A2 | c − x] p = K R T: the ground point and a depth, for (y, x) taken as the README says.
        shares = []
        places = []
        for x in (300.0, 960.0, 1600.0):
            for y in (620.0, 800.0, 1000.0):
                left = np.column_stack([projection[:, :2], [camera.center[0] - x, camera.center[1] - y, -1.0]])
                place = np.linalg.solve(left, projection @ camera.T)
                shares.append((x / SIZE[0], y / SIZE[1]))
                places.append((float(place[0]), float(place[1])))
        grounds[str(camera.name).removeprefix("view-")] = homography_from_points(shares, places, point_sd=0.001)
    return grounds


def grounds(views: dict[str, View], folder: Path) -> dict[str, Homography]:
    """A ground for each view.

    The pair IP2, IP5: IP5's from the heights of its people (1.7 m) and a usual lens; IP2's from 200 places all over
    the ground where feet stand in both, of which the worst are left out four times (feet behind others are guessed by
    the annotators). Only places are taken from the truth, as a user with a measuring tape would give them.
    """
    found = own_grounds(folder)
    rows = views["IP5"].rows
    slope, offset = np.linalg.lstsq(
        np.stack([rows[:, 5], np.ones(len(rows))], axis=1), rows[:, 5] - rows[:, 3], rcond=None
    )[0]
    horizon, height_m = -offset / slope, PERSON_M / slope
    drop = (0.5 - horizon) * SIZE[1] / FOCAL_PX
    camera = Pinhole((0.0, 0.0, height_m), (0.0, height_m / drop), focal_px=FOCAL_PX, size=SIZE)
    found["IP5"] = camera.homography()
    there = {(int(row[0]), int(row[1])): _foot(row) for row in rows if row[5] < 0.99}
    keys = [(int(row[0]), int(row[1])) for row in views["IP2"].rows]
    pairs = [
        (_foot(row), there[key])
        for row, key in zip(views["IP2"].rows, keys, strict=True)
        if row[5] < 0.99 and key in there
    ]
    chosen = np.array([pairs[index] for index in np.linspace(0, len(pairs) - 1, 200).astype(int)])
    points, places = chosen[:, 0], found["IP5"].ground_of(chosen[:, 1])
    for _ in range(4):
        fitted = homography_from_points(
            [(float(x), float(y)) for x, y in points], [(float(x), float(y)) for x, y in places]
        )
        off = np.linalg.norm(fitted.ground_of(points) - places, axis=1)
        keep = off <= np.percentile(off, 85)
        points, places = points[keep], places[keep]
    found["IP2"] = fitted
    return found


def _foot(row: Floats) -> tuple[float, float]:
    return float(row[2] + row[4]) / 2, float(row[5])
