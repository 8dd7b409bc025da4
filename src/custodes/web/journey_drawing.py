"""A journey as drawings: where on each floor, and when in which camera. Coordinates only; the templates draw them."""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from custodes.types.journey import Journey, JourneyStep, LinkKind
from custodes.types.place import FloorPlan
from custodes.units import NS_PER_S
from custodes.web.language.speech import Words
from custodes.web.words import span_words, utc_text

MAP_PX = 640.0
_MARGIN_M = 2.0
_LEAST_PERCENT = 0.6
"""Of the time line: a look of a second is seen."""
_ARROW_PX, _ARROW_REACH_PX = 80.0, 10.0
"""From arrow to arrow along a path, and over how much of it its direction is taken."""
_BESIDE = 0.6
"""Cameras further to the right have their names on their left."""
LINK_WORDS: Words[LinkKind] = Words(
    {
        LinkKind.VERIFIED: "confirmed by two people",
        LinkKind.TOGETHER: "seen with it on the same ground",
        LinkKind.TRANSIT: "came when and where they would",
    }
)
ALIKE, UNLIKE = 0.5, -0.5
"""Natural logarithms: 1.6 times likelier one person's, or two people's."""
CLOTHES_WORDS: Words[str] = Words(
    {"alike": "alike", "unlike": "unlike", "either": "do not say", "unseen": "not compared"}
)


Pixel = tuple[float, float]
Arrow = tuple[float, float, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnStep:
    """One track in the drawings and in the list."""

    number: int
    step: JourneyStep
    camera: str
    words: str
    percent: int
    link_percent: int
    runner_percent: int
    clothes: str
    time: str
    lasted: str
    gap: str
    """Time since the step before; empty where they overlap."""
    found_from: int
    left_percent: float
    width_percent: float
    """Of the time line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFloor:
    """`paths`: number, kind, points of a polyline, its first point, and arrows as x, y and degrees clockwise from the
    right. `cameras`: name, x, y, and whether the name is on the left. `plan`: x, y, width, height of its picture."""

    name: str
    height: float
    paths: tuple[tuple[int, str, str, Pixel, tuple[Arrow, ...]], ...]
    cameras: tuple[tuple[str, float, float, bool], ...]
    plan_sha256: str
    plan: tuple[float, float, float, float]
    scale_m: int
    scale_px: float


def steps_of(journey: Journey) -> list[DrawnStep]:
    """By time."""
    names = {one.camera_id: one.name for one in journey.cameras}
    drawn, last_ns = [], 0
    for at, step in enumerate(journey.steps):
        begin, end = max(step.start_ns, journey.start_ns), min(step.end_ns, journey.end_ns)
        gap_ns = step.start_ns - last_ns if last_ns else 0
        drawn.append(
            DrawnStep(
                number=at + 1,
                step=step,
                camera=names.get(step.camera_id, step.camera_id),
                words=LINK_WORDS[step.kind],
                percent=round(100 * step.probability),
                link_percent=round(100 * step.link_probability),
                clothes=clothes_words(step),
                runner_percent=round(100 * step.runner_up),
                time=utc_text(step.start_ns)[:-1].replace("T", " "),
                lasted=span_words((step.end_ns - step.start_ns) / NS_PER_S),
                gap=span_words(gap_ns / NS_PER_S) if gap_ns > 0 else "",
                found_from=step.came_from + 1,
                left_percent=min(_percent(journey, begin), 100 - _LEAST_PERCENT),
                width_percent=max(round(_percent(journey, end) - _percent(journey, begin), 2), _LEAST_PERCENT),
            )
        )
        last_ns = max(last_ns, step.end_ns)
    return drawn


def clothes_words(step: JourneyStep) -> str:
    """What looks said for a link; which colours they were nobody learns."""
    if step.kind is LinkKind.VERIFIED:
        return "–"
    if step.look_nats is None:
        return CLOTHES_WORDS["unseen"]
    if step.look_nats >= ALIKE:
        return CLOTHES_WORDS["alike"]
    return CLOTHES_WORDS["unlike" if step.look_nats <= UNLIKE else "either"]


def _percent(journey: Journey, utc_ns: int) -> float:
    share = (utc_ns - journey.start_ns) / max(journey.end_ns - journey.start_ns, 1)
    return round(100 * min(max(share, 0.0), 1.0), 2)


def floors_of(journey: Journey, plans: Sequence[FloorPlan] = ()) -> list[DrawnFloor]:
    """Floors on which a track has a path, with what of their plan's picture lies there."""
    names = dict.fromkeys(step.floor for step in journey.steps if step.path_m)
    pictured = {one.name: one for one in plans if one.plan_sha256}
    return [_floor(journey, name, pictured.get(name)) for name in names]


def _floor(journey: Journey, name: str, plan: FloorPlan | None) -> DrawnFloor:
    cameras = [(one.name, one.place_m) for one in journey.cameras if one.floor == name and one.place_m is not None]
    steps = [(at + 1, step) for at, step in enumerate(journey.steps) if step.floor == name and step.path_m]
    points = [(x, y) for _, step in steps for _, x, y in step.path_m] + [place for _, place in cameras]
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    low = min(xs) - _MARGIN_M, min(ys) - _MARGIN_M
    wide, high = max(xs) + _MARGIN_M - low[0], max(ys) + _MARGIN_M - low[1]
    scale = MAP_PX / max(wide, high, 1.0)

    def at_px(x: float, y: float) -> Pixel:
        return round((x - low[0]) * scale, 1), round((high - (y - low[1])) * scale, 1)

    paths = []
    for number, step in steps:
        pixels = [at_px(x, y) for _, x, y in step.path_m]
        paths.append((number, step.kind.value, " ".join(f"{x},{y}" for x, y in pixels), pixels[0], arrows_of(pixels)))
    metres = next((one for one in (1, 2, 5, 10, 20, 50, 100, 200, 500) if one >= max(wide, high) / 8), 1000)
    return DrawnFloor(
        name=name,
        height=round(high * scale, 1),
        paths=tuple(paths),
        cameras=tuple((label, *at, at[0] > _BESIDE * MAP_PX) for label, place in cameras for at in (at_px(*place),)),
        plan_sha256="" if plan is None else plan.plan_sha256,
        plan=(0.0, 0.0, 0.0, 0.0) if plan is None else _picture(plan, at_px, scale),
        scale_m=metres,
        scale_px=round(metres * scale, 1),
    )


def _picture(
    plan: FloorPlan, at_px: Callable[[float, float], Pixel], scale: float
) -> tuple[float, float, float, float]:
    """Where a plan's picture lies in the drawing."""
    (right, down), per_px = plan.origin_px, 1 / plan.px_per_m
    size = round(plan.width_px * per_px * scale, 1), round(plan.height_px * per_px * scale, 1)
    return (*at_px(-right * per_px, down * per_px), *size)


def arrows_of(pixels: Sequence[Pixel]) -> tuple[Arrow, ...]:
    """One in the middle of a short path, one every so often of a long one; none where somebody hardly moved."""
    along = [0.0, *accumulate(math.dist(one, other) for one, other in pairwise(pixels))]
    count = max(1, round(along[-1] / _ARROW_PX)) if along[-1] >= 2 * _ARROW_REACH_PX else 0

    def at(reach: float) -> Pixel:
        next_one = min(max(bisect_left(along, reach), 1), len(along) - 1)
        long = along[next_one] - along[next_one - 1]
        share = (reach - along[next_one - 1]) / long if long else 0.0
        (x, y), (other_x, other_y) = pixels[next_one - 1], pixels[next_one]
        return x + share * (other_x - x), y + share * (other_y - y)

    found = []
    for number in range(count):
        middle = (number + 0.5) * along[-1] / count
        (x, y), (other_x, other_y) = at(middle - _ARROW_REACH_PX), at(middle + _ARROW_REACH_PX)
        if math.dist((x, y), (other_x, other_y)) >= _ARROW_REACH_PX:  # else they turned back here
            place = at(middle)
            found.append((round(place[0], 1), round(place[1], 1), _degrees(other_x - x, other_y - y)))
    return tuple(found)


def _degrees(right: float, down: float) -> int:
    return round(math.degrees(math.atan2(down, right)))
