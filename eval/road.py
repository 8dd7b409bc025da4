"""A straight two-lane road with known incidents in simulated traffic: what happened, when, and where."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from custodes.types.scene import CameraScene, CountLine, Road
from custodes.types.traffic import IncidentKind
from custodes.types.vision import ObjectClass
from eval.pinhole import Mover, Pinhole

Floats = npt.NDArray[np.float64]
CAMERA = Pinhole((7.0, -8.0, 8.0), (0.0, 30.0), focal_px=900, name="road")
LENGTH_M = 80.0
LANES_M = {1: 1.75, -1: -1.75}
"""x of the lane that is driven upwards (+1) and downwards (−1)."""
_CAR = (4.4, 1.8, 1.5)
_PERSON = (0.4, 0.5, 1.7)


@dataclass(frozen=True)
class Happened:
    """One incident that was staged."""

    kind: IncidentKind
    road: str
    start_s: float
    end_s: float


def scene() -> CameraScene:
    """Both lanes as one-way roads, and a line to count over; corners as people would draw them in the picture."""

    def strip(low: float, high: float) -> tuple[tuple[float, float], ...]:
        corners = np.array([[low, 3.0, 0], [high, 3.0, 0], [high, 75.0, 0], [low, 75.0, 0]])
        return tuple((float(np.clip(x, 0, 1)), float(np.clip(y, 0, 1))) for x, y in CAMERA.project(corners))

    def way(x: float, sign: int) -> tuple[tuple[float, float], tuple[float, float]]:
        ends = CAMERA.project(np.array([[x, 30.0 - 15 * sign, 0], [x, 30.0 + 15 * sign, 0]]))
        return (float(ends[0, 0]), float(ends[0, 1])), (float(ends[1, 0]), float(ends[1, 1]))

    ends = CAMERA.project(np.array([[-3.5, 25.0, 0], [3.5, 25.0, 0]]))
    line = CountLine(
        name="middle", start=(float(ends[0, 0]), float(ends[0, 1])), end=(float(ends[1, 0]), float(ends[1, 1]))
    )
    roads = (
        Road(name="up", polygon=strip(0.0, 3.5), heading=way(1.75, 1)),
        Road(name="down", polygon=strip(-3.5, 0.0), heading=way(-1.75, -1)),
    )
    return CameraScene(lines=(line,), roads=roads)


def ordinary(seconds: float, per_h: float, rng: np.random.Generator, closed: list[Happened]) -> list[Mover]:
    """Vehicles at 30 to 60 km/h in both lanes; none enters a lane shortly before or while something stands in it."""
    movers = []
    for sign, x in LANES_M.items():
        at_s, last_out_s = 0.0, 0.0
        while (at_s := at_s + 2.0 + float(rng.exponential(max(3600 / per_h - 2.0, 0.1)))) < seconds:
            mps = float(rng.uniform(30, 60)) / 3.6
            out_s = at_s + LENGTH_M / mps
            road = "up" if sign == 1 else "down"
            if any(one.road == road and at_s < one.end_s + 4 and one.start_s - 4 < out_s for one in closed):
                continue
            if out_s < last_out_s + 1.5:  # nobody overtakes
                continue
            last_out_s = out_s
            object_class, solid = _kind(rng)
            movers.append(Mover(len(movers), object_class, solid, straight(x, sign, at_s, mps)))
    return movers


def _kind(rng: np.random.Generator) -> tuple[ObjectClass, tuple[float, float, float]]:
    if rng.random() < 0.1:
        return ObjectClass.TRUCK, (8.0, 2.5, 3.2)
    scale = rng.uniform(0.9, 1.1)
    return ObjectClass.CAR, (_CAR[0] * scale, _CAR[1] * scale, _CAR[2] * scale)


def straight(x: float, sign: int, at_s: float, mps: float) -> Callable[[float], tuple[Floats, float] | None]:
    """From one end of the road to the other."""

    def where(second: float) -> tuple[Floats, float] | None:
        covered = (second - at_s) * mps
        if not 0 <= covered <= LENGTH_M:
            return None
        y = covered - 2 if sign > 0 else LENGTH_M - 2 - covered
        return np.array([x, y]), sign * np.pi / 2

    return where


def staged(kind: IncidentKind, start_s: float, rng: np.random.Generator, number: int) -> tuple[Mover, Happened]:
    """One incident that begins about `start_s`."""
    sign = int(rng.choice([1, -1]))
    x, road = LANES_M[sign], "up" if sign == 1 else "down"
    if kind is IncidentKind.PERSON_ON_ROAD:
        y, mps = float(rng.uniform(12, 45)), float(rng.uniform(1.0, 1.6))
        wide = 7.0 / mps

        def walk(second: float) -> tuple[Floats, float] | None:
            covered = (second - start_s) * mps - 4.0
            return (np.array([(covered - 3.5) * sign, y]), 0.0) if -4.0 <= covered <= 11.0 else None

        onto_s = start_s + 4.0 / mps
        # Which lane is entered first: the person walks towards larger x for +1.
        return Mover(number, ObjectClass.PERSON, _PERSON, walk), Happened(
            kind, "down" if sign == 1 else "up", onto_s, onto_s + wide
        )
    mps = float(rng.uniform(25, 50)) / 3.6
    if kind is IncidentKind.WRONG_WAY:
        seen_s = start_s + 8.0 / mps
        mover = Mover(number, ObjectClass.CAR, _CAR, straight(x, -sign, start_s, mps))
        return mover, Happened(kind, road, seen_s, start_s + LENGTH_M / mps)
    stop_m, stand_s = float(rng.uniform(20, 50)), float(rng.uniform(20, 60))
    brake_s = 2 * 8.0 / mps  # over 8 m
    drive_s = (stop_m - 8.0) / mps

    def stops(second: float) -> tuple[Floats, float] | None:
        t = second - start_s
        if t < 0:
            return None
        t2 = min(max(t - drive_s, 0.0), brake_s)
        covered = min(t, drive_s) * mps + mps * t2 - mps / brake_s * t2**2 / 2
        covered += max(t - drive_s - brake_s - stand_s, 0.0) * mps * 0.6
        if covered > LENGTH_M:
            return None
        return np.array([x, covered - 2 if sign > 0 else LENGTH_M - 2 - covered]), sign * np.pi / 2

    stopped_s = start_s + drive_s + brake_s
    return Mover(number, ObjectClass.CAR, _CAR, stops), Happened(kind, road, stopped_s, stopped_s + stand_s)
