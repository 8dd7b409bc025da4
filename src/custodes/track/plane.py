"""Where a detection is on the plane its camera is tracked on, and how surely: the ground in metres where the camera is
calibrated, the picture in frame heights where not. Knows no tracks.

Boxes here are in frame heights (x and y both divided by the frame's height), so that nothing changes when a stream
changes its resolution.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.geometry.homography import Homography
from custodes.track.kalman import Columns, Motion, Rows

_LEAST = 1e-6
_GRAZING = 1 / 20
"""Sine of the angle to the ground, 3°, below which depth is not trusted."""


PERSON_GROUP, VEHICLE_GROUP, FACE_GROUP = 0, 1, 2
_YARD_M = np.array([1.0, 3.0, 0.25])
"""Geometric mean of an object's width and height on the ground, by group."""
_TOP_SPEED = np.array([1.0, 3.0, 1.0])
"""Yardsticks per second, by group: a walker his height in a second and a half, a car 30 km/h."""
_AGILITY = np.array([1.0, 2.5, 1.0])


@dataclass(frozen=True, slots=True)
class Optics:
    """How precise a detector's box is: standard deviations as shares of the object's picture size (geometric mean of
    the sides), at score 1, and what is added towards score 0: a detector's weak boxes are its sloppy ones, above all
    at the feet, which others hide. Each (2,): across and along, or logarithm of width and of height.

    Measured by matching detections to truth: YOLOX on MOT17-02 (second half), Faster R-CNN and nanodet on PETS. The
    lower edge, score above .85: .07, .14, .06; below .4: .27 and .23. The centre's height: .04, .10, .05; below .4:
    .16 and .21.
    """

    place: Columns
    place_doubt: Columns
    size: Columns
    size_doubt: Columns
    cut: float = 0.3
    """Added at the edge of the frame, which hides where a box goes on."""


PICTURE_MOTION = Motion(acceleration=(0.3, 0.15), speed_decay_s=4.0, first_speed=0.8, size_drift=0.1)
"""Up and down, the picture shows motion foreshortened."""
GROUND_MOTION = Motion(acceleration=(0.5, 0.5), speed_decay_s=4.0, first_speed=1.0, size_drift=0.1)
PICTURE_OPTICS = Optics(np.array([0.06, 0.06]), np.array([0.05, 0.12]), np.array([0.14, 0.06]), np.array([0.06, 0.12]))
"""Of the box's centre."""
GROUND_OPTICS = Optics(np.array([0.06, 0.07]), np.array([0.05, 0.25]), np.array([0.14, 0.06]), np.array([0.06, 0.12]))
"""Of the middle of its lower edge."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Detections on the plane, m rows: `place` (m, 2), `noise` (m, 2, 2), `size` and `size_noise` (m, 2).
    `lift` (m,): frame heights by which the foot was moved down because it stood above the horizon."""

    place: Columns
    noise: Columns
    size: Columns
    size_noise: Columns
    lift: Columns

    def take(self, rows: Rows) -> "Placed":
        """Copies of `rows`."""
        return Placed(self.place[rows], self.noise[rows], self.size[rows], self.size_noise[rows], self.lift[rows])

    def put(self, rows: npt.NDArray[np.bool_], other: "Placed") -> None:
        """Other places in the rows that the mask chooses; sizes stay as measured, as doubtful as the other's."""
        self.place[rows], self.noise[rows], self.lift[rows] = other.place, other.noise, other.lift
        self.size_noise[rows] = other.size_noise


class Plane:
    """The plane of one camera."""

    def __init__(self, homography: Homography | None) -> None:
        self._homography = homography
        self.motion = PICTURE_MOTION if homography is None else GROUND_MOTION
        self._optics = PICTURE_OPTICS if homography is None else GROUND_OPTICS

    def place(self, boxes: Columns, scores: Columns, is_cut: npt.NDArray[np.bool_], aspect: float) -> Placed:
        """Where detections are.

        Args: boxes: (m, 4) frame heights; scores: (m,) 0 to 1; is_cut: (m, 2) whether the box ends at the frame's side
        edges, and at its upper or lower edge; aspect: width of the frame over its height.
        """
        optics = self._optics
        side = np.maximum(boxes[:, 2:] - boxes[:, :2], _LEAST)
        yard = np.sqrt(side[:, 0] * side[:, 1])[:, None]
        doubt = 1.0 - scores[:, None]
        hidden = optics.cut * is_cut
        spread = ((optics.place + optics.place_doubt * doubt + hidden) * yard) ** 2
        size_noise = (optics.size + optics.size_doubt * doubt + hidden) ** 2
        centre_x = (boxes[:, 0] + boxes[:, 2]) / 2
        noise = np.zeros((len(boxes), 2, 2))
        noise[:, 0, 0], noise[:, 1, 1] = spread[:, 0], spread[:, 1]
        if self._homography is None:
            place = np.stack([centre_x, (boxes[:, 1] + boxes[:, 3]) / 2], axis=1)
            return Placed(place, noise, np.log(side), size_noise, np.zeros(len(boxes)))
        noise[:, 0, 0] /= aspect**2
        foot = self._homography.nearer(np.stack([centre_x / aspect, boxes[:, 3]], axis=1))
        lift = foot[:, 1] - boxes[:, 3]
        place = self._homography.ground_of(foot)
        scale = self._scale(place, aspect)[:, None]
        return Placed(place, self._homography.spread_of(foot, noise), np.log(side / scale), size_noise, lift)

    def boxes(self, place: Columns, size: Columns, aspect: float) -> Columns:
        """(n, 4) frame heights, of objects at `place` (n, 2) of logarithmic `size` (n, 2)."""
        side = np.exp(size)
        if self._homography is None:
            return np.concatenate([place - side / 2, place + side / 2], axis=1)
        side *= self._scale(place, aspect)[:, None]
        foot = self._homography.picture_of(place)
        foot[:, 0] *= aspect
        half = side[:, 0] / 2
        return np.stack([foot[:, 0] - half, foot[:, 1] - side[:, 1], foot[:, 0] + half, foot[:, 1]], axis=1)

    def units(self, size: Columns, group: Rows) -> Columns:
        """(n,) plane units per yardstick: on the ground of such an object, in the picture of this one."""
        if self._homography is not None:
            return _YARD_M[group]
        return _geometric_mean(size)

    def areas(self, place: Columns, size: Columns, group: Rows, aspect: float) -> Columns:
        """(n,) square plane units over which one new thing is as likely as anywhere: a square yardstick.

        Where the camera only grazes the ground, depth is guesswork and every pair would be unlikely, so the picture's
        area counts there; so does the size of what seems a giant, because it is not on the ground.
        """
        own = _geometric_mean(size)
        if self._homography is None:
            return own**2
        result: Columns = np.maximum(self.units(size, group), own) ** 2
        slope = self._homography.slope_at(place)
        per_m2 = np.abs(slope[:, 0, 0] * slope[:, 1, 1] - slope[:, 0, 1] * slope[:, 1, 0]) * aspect
        stretch = self._scale(place, aspect) ** 2 / np.maximum(per_m2, _LEAST**2)
        return result * np.maximum(stretch * _GRAZING, 1.0)

    def density(self, size: Columns, group: Rows) -> Columns:
        """(n,) factor on `Motion.acceleration`."""
        result: Columns = self.units(size, group) * _AGILITY[group]
        return result

    def first_speed(self, size: Columns, group: Rows) -> Columns:
        """(n,) standard deviation of an unknown velocity, plane units/s."""
        result: Columns = self.units(size, group) * _TOP_SPEED[group] * self.motion.first_speed
        return result

    def _scale(self, place: Columns, aspect: float) -> Columns:
        """(n,) frame heights per metre across the line of sight: the larger singular value of the map's slope."""
        assert self._homography is not None
        slope = self._homography.slope_at(place) * np.array([aspect, 1.0])[None, :, None]
        total = (slope**2).sum(axis=(1, 2))
        determinant = slope[:, 0, 0] * slope[:, 1, 1] - slope[:, 0, 1] * slope[:, 1, 0]
        rest = np.sqrt(np.maximum(total**2 - 4 * determinant**2, 0))
        result: Columns = np.maximum(np.sqrt((total + rest) / 2), _LEAST)
        return result


def _geometric_mean(size: Columns) -> Columns:
    """(n,) of the sides whose logarithms are given, (n, 2)."""
    result: Columns = np.exp((size[:, 0] + size[:, 1]) / 2)  # a third of the time of a mean over two columns
    return result
