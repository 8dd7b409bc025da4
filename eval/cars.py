"""Simulated cars in two calibrated cameras, through the product's tracker and `journey.fusion`: is each one dot?

No footage of vehicles in overlapping calibrated views is at hand. Three roads: cameras at both ends, at a corner, and
side by side; clicked with an error of 3 px in the near part of the picture, boxes off by 2 px, one in twenty missed.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from custodes.journey.fusion import Fusion, Placed, numbers_of
from custodes.journey.sighting import placed_of
from custodes.types.vision import ObjectClass
from custodes.units import NS_PER_S
from eval.pinhole import Mover, Noise, Pinhole, look

Floats = npt.NDArray[np.float64]
STEP_NS = NS_PER_S // 5
SECONDS = 66.0
CAR = (4.4, 1.8, 1.5)
SEEDS = (1, 2, 3)


def _square(low: float, high: float) -> Floats:
    return np.array([(-4.0, low), (4.0, low), (4.0, high), (-4.0, high)])


ROADS: dict[str, tuple[tuple[Pinhole, Floats], tuple[Pinhole, Floats]]] = {
    "opposite": (
        (Pinhole((4, -10, 7), (0, 30), name="a"), _square(10, 35)),
        (Pinhole((-4, 130, 7), (0, 90), name="b"), _square(85, 110)),
    ),
    "corner": (
        (Pinhole((8, 0, 6), (0, 30), name="a"), _square(12, 35)),
        (Pinhole((-15, 40, 6), (0, 45), name="b"), _square(32, 55)),
    ),
    "beside": (
        (Pinhole((4, -10, 7), (0, 40), name="a"), _square(10, 35)),
        (Pinhole((-4, -5, 5), (0, 30), name="b"), _square(10, 35)),
    ),
}
"""Cameras, and the ground that was measured for each."""


def traffic(rng: np.random.Generator) -> list[Mover]:
    """A minute of cars on two lanes, 8 to 16 m/s, 1.5 to 5 s apart."""
    movers, start_s = [], 0.0
    while start_s < SECONDS - 6:
        start_s += rng.uniform(1.5, 5)
        where = _drive(start_s, float(rng.uniform(8, 16)), lane_m=float(rng.choice([-2.0, 2.0])))
        movers.append(Mover(len(movers) + 1, ObjectClass.CAR, CAR, where))
    return movers


def _drive(start_s: float, speed_mps: float, *, lane_m: float) -> Callable[[float], tuple[Floats, float] | None]:
    def where(second: float) -> tuple[Floats, float] | None:
        way_m = speed_mps * (second - start_s)
        if not 0 <= way_m <= 140:
            return None
        is_up = lane_m > 0
        return np.array([lane_m, way_m - 5 if is_up else 135 - way_m]), np.pi / 2 if is_up else -np.pi / 2

    return where


def scores(road: str, seeds: Sequence[int] = SEEDS) -> dict[str, float]:
    """`both_one`: share of moments in which a car that both cameras see has one number; `dots`: how many numbers a car
    had; `shown`: dots at a moment for each car that is seen."""
    one = seen_by_both = dots = cars = shown = seen = 0
    for seed in seeds:
        owner, steps = _watched(road, seed)
        fusion, had = Fusion(), defaultdict[int, set[int]](set)
        for step in sorted(steps):
            numbers = numbers_of(now := fusion.step(step * STEP_NS, list(steps[step].values())))
            by_car = defaultdict[int, list[int]](list)
            for key, number in numbers.items():
                by_car[owner[key[0], key[2]]].append(number)
                had[owner[key[0], key[2]]].add(number)
            both = [told for told in by_car.values() if len(told) == 2]
            one += sum(len(set(told)) == 1 for told in both)
            seen_by_both += len(both)
            shown, seen = shown + len(now), seen + len(by_car)
        dots += sum(map(len, had.values()))
        cars += len(had)
    return {"both_one": round(one / seen_by_both, 3), "dots": round(dots / cars, 2), "shown": round(shown / seen, 3)}


def _watched(road: str, seed: int) -> tuple[dict[tuple[str, int], int], dict[int, dict[object, Placed]]]:
    """(camera, track) → the car whose box it mostly took; measurements by step."""
    movers = traffic(np.random.default_rng(seed))
    owner: dict[tuple[str, int], int] = {}
    steps: dict[int, dict[object, Placed]] = defaultdict(dict)
    for number, (camera, measured) in enumerate(ROADS[road]):
        rng = np.random.default_rng((seed, number))
        ground = camera.clicked(measured, rng, click_px=3.0)
        noise = Noise(edge_px=2.0, missed=0.05)
        told = look(camera, movers, (0, SECONDS), fps=5, noise=noise, rng=rng, homography=ground)
        for track, names in told.truth.items():
            owner[camera.name, track] = Counter(names).most_common(1)[0][0]
        for fact in told.frames:
            for placed in placed_of(fact.frame, ground):
                steps[fact.frame.utc_ns // STEP_NS][placed.key] = placed
    return owner, steps
